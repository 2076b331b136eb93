import { EventEmitter, once } from 'node:events';
import { deadline } from '#libs/kernel';

/** Milliseconds between two looks at the processes; the end of one that this process started is seen at once. */
const POLL = 1_000;

/** Tells which gateways' processes started or ended, by comparing what runs. */
export class Changes {
  readonly #emitter = new EventEmitter().setMaxListeners(0);

  /** `running`: gateway id -> what tells two of its processes apart. */
  constructor(private readonly running: () => ReadonlyMap<string, string>) {}

  wake(): void {
    this.#emitter.emit('change');
  }

  /** Ends without an error when the signal aborts. What runs is first compared when the iteration begins. */
  async *watch(signal: AbortSignal): AsyncGenerator<string> {
    let before = this.running();
    while (!signal.aborted) {
      await this.#pause(signal);
      if (signal.aborted) return;
      const now = this.running();
      const changed = [...new Set([...before.keys(), ...now.keys()])].filter((id) => before.get(id) !== now.get(id));
      before = now;
      yield* changed;
    }
  }

  async #pause(signal: AbortSignal): Promise<void> {
    const bounded = deadline(POLL, signal);
    try {
      await once(this.#emitter, 'change', { signal: bounded });
    } catch (error) {
      if (!bounded.aborted) throw error;
    }
  }
}
