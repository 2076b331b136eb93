/** Timers by name: setting one again replaces it, and all of them can be dropped at once. */
export class Timers<Name extends string> {
  readonly #cancel = new Map<Name, () => void>();

  constructor(private readonly after: (milliseconds: number, run: () => void) => () => void) {}

  set(name: Name, milliseconds: number, run: () => void): void {
    this.clear(name);
    this.#cancel.set(name, this.after(milliseconds, run));
  }

  clear(name: Name): void {
    this.#cancel.get(name)?.();
    this.#cancel.delete(name);
  }

  clearAll(): void {
    for (const cancel of this.#cancel.values()) cancel();
    this.#cancel.clear();
  }
}
