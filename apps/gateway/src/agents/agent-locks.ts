/** Who works on an agent's folder, or attaches or detaches it, has it alone; whoever asked first comes first. */
export class AgentLocks {
  readonly #tails = new Map<string, Promise<void>>();

  /** Resolves with the function that gives them back. */
  async acquire(agentIds: Iterable<string>): Promise<() => void> {
    const releases: (() => void)[] = [];
    // In one order for everybody: two who want the same agents never wait for each other.
    for (const agentId of [...new Set(agentIds)].sort()) releases.push(await this.#acquireOne(agentId));
    return () => releases.forEach((release) => release());
  }

  async #acquireOne(agentId: string): Promise<() => void> {
    const before = this.#tails.get(agentId);
    const { promise: released, resolve: release } = Promise.withResolvers<void>();
    const tail = (before ?? Promise.resolve()).then(() => released);
    this.#tails.set(agentId, tail);
    void tail.then(() => this.#tails.get(agentId) === tail && this.#tails.delete(agentId));
    await before;
    return release;
  }
}
