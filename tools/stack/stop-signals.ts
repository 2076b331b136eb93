const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
/** Milliseconds. npm, the launcher and the terminal may each deliver the same Ctrl-C. */
const ECHO = 1_000;

/** Turns signals into one wish to stop and, with a second Ctrl-C, one to hurry. */
export class StopSignals {
  readonly #stop = new AbortController();
  readonly #force = new AbortController();
  #firstAt = 0;

  constructor(
    say: (text: string) => void,
    private readonly now: () => number = Date.now,
    source: Pick<NodeJS.Process, 'on'> = process,
  ) {
    for (const name of SIGNALS) source.on(name, () => this.#received(say));
  }

  get stop(): AbortSignal {
    return this.#stop.signal;
  }

  get force(): AbortSignal {
    return this.#force.signal;
  }

  #received(say: (text: string) => void): void {
    if (!this.#stop.signal.aborted) {
      this.#firstAt = this.now();
      say('stopping in order; a second Ctrl-C hurries');
      this.#stop.abort(new Error('stopped by a signal'));
    } else if (this.now() - this.#firstAt > ECHO && !this.#force.signal.aborted) {
      say('hurrying: what does not end at once is killed, gateways are left to the next start');
      this.#force.abort(new Error('stopped by a second signal'));
    }
  }
}
