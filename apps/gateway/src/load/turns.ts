/**
 * Whoever wants something of an agent takes a turn: one an agent in each round of the event loop, in the order of asking. A flood
 * for one agent then costs every other agent one of its messages a round, however many wait.
 */
export class Turns {
  readonly #waiting = new Map<string, (() => void)[]>();
  /** Who had a turn in this round. */
  #served = new Set<string>();
  #isScheduled = false;

  /** Resolves at once when nobody of the same agent came before in this round. */
  async take(agentId: string): Promise<void> {
    this.#schedule();
    if (!this.#served.has(agentId)) return void this.#served.add(agentId);
    const { promise, resolve } = Promise.withResolvers<void>();
    const queue = this.#waiting.get(agentId);
    if (queue) queue.push(resolve);
    else this.#waiting.set(agentId, [resolve]);
    await promise;
  }

  /** After `setImmediate` the loop has looked at what arrived: the next round. */
  #schedule(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    setImmediate(() => this.#nextRound());
  }

  #nextRound(): void {
    this.#isScheduled = false;
    this.#served = new Set(this.#waiting.keys());
    for (const [agentId, queue] of this.#waiting) {
      queue.shift()!();
      if (queue.length === 0) this.#waiting.delete(agentId);
    }
    if (this.#served.size > 0) this.#schedule();
  }
}
