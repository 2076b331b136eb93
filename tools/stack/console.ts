/** Tells a person what happens: one line a step, with its time; plain text when nobody watches. */
export class StackConsole {
  readonly #coloured = process.stdout.isTTY === true && !process.env['NO_COLOR'];

  /** Runs a step and prints its line when it is done. The label may depend on what the step found out. */
  async step<T>(label: string | ((result: T) => string), work: () => Promise<T>): Promise<T> {
    const startedAt = performance.now();
    const result = await work();
    this.done(typeof label === 'string' ? label : label(result), startedAt);
    return result;
  }

  done(label: string, startedAt: number): void {
    const took = performance.now() - startedAt;
    const seconds = `${(took / 1000).toFixed(took < 9_950 ? 1 : 0)} s`;
    console.log(`${this.#paint(32, '✓')} ${label.padEnd(52)} ${this.#paint(2, seconds.padStart(7))}`);
  }

  note = (text: string): void => console.log(`  ${text}`);

  warn = (text: string): void => console.log(`${this.#paint(33, '!')} ${text}`);

  fail = (text: string): void => console.error(`${this.#paint(31, '✗')} ${text}`);

  #paint(code: number, text: string): string {
    return this.#coloured ? `\u001b[${code}m${text}\u001b[0m` : text;
  }
}
