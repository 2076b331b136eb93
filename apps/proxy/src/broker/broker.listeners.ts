import { delay } from '#libs/kernel';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { closeListener, createListener, listen } from '../http/listener.js';
import type { Address } from '../proxy.config.js';
import { TIMES } from '../proxy.limits.js';
import type { Logger } from '../proxy.log.js';
import type { BrokerRequests } from './broker.requests.js';

/** The broker's own addresses, for gateways only. */
export class BrokerListeners {
  readonly #servers: Server[] = [];

  constructor(
    private readonly requests: BrokerRequests,
    private readonly log: Logger,
  ) {}

  /** Where it listens now. */
  get addresses(): AddressInfo[] {
    return this.#servers.filter((server) => server.listening).map((server) => server.address() as AddressInfo);
  }

  /**
   * Binds every address. One whose network does not exist yet (an engine's bridge before its first container) is tried
   * again in the background until it does; any other fault rejects.
   */
  async open(addresses: readonly Address[], signal: AbortSignal): Promise<void> {
    await Promise.all(addresses.map((address) => this.#open(address, signal)));
  }

  async close(grace: number): Promise<void> {
    await Promise.all(this.#servers.map((server) => closeListener(server, grace)));
  }

  async #open(address: Address, signal: AbortSignal): Promise<void> {
    if (await this.#bound(address)) return;
    this.log.info({ ...address }, 'broker address does not exist yet, waiting for it');
    void this.#wait(address, signal);
  }

  async #wait(address: Address, signal: AbortSignal): Promise<void> {
    try {
      do await delay(TIMES.bindRetry, signal);
      while (!(await this.#bound(address)));
    } catch (error) {
      if (!signal.aborted)
        this.log.error({ ...address, reason: (error as Error).message }, 'broker address cannot be used');
    }
  }

  async #bound(address: Address): Promise<boolean> {
    const server = createListener((req, res) => this.requests.handle(req, res));
    try {
      const { address: host, port } = await listen(server, address);
      this.#servers.push(server);
      this.log.info({ host, port }, 'model broker listening');
      return true;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EADDRNOTAVAIL') return false;
      throw error;
    }
  }
}
