import { delay } from '#libs/kernel';
import type { Server } from 'node:http';
import { type AddressInfo, isIP } from 'node:net';
import { closeListener, createListener, listen } from '../http/listener.js';
import type { Address } from '../proxy.config.js';
import { TIMES } from '../proxy.limits.js';
import type { Logger } from '../proxy.log.js';
import type { BrokerRequests } from './broker.requests.js';

/** Never listened at because a feed names it: it would open the broker to everybody. */
const EVERYWHERE: ReadonlySet<string> = new Set(['0.0.0.0', '::']);

const keyOf = ({ host, port }: Address): string => `${host} ${port}`;

/** An address that is wanted: its server once it is bound. */
interface Wanted {
  readonly address: Address;
  readonly given: AbortController;
  server?: Server;
}

/** The broker's own addresses, for gateways only: those of its configuration, and those of hosts that are this machine. */
export class BrokerListeners {
  readonly #servers: Server[] = [];
  readonly #followed = new Map<string, Wanted>();
  readonly #stop = new AbortController();
  #configured: ReadonlySet<string> = new Set();

  constructor(
    private readonly requests: BrokerRequests,
    private readonly log: Logger,
  ) {}

  /** Where it listens now. */
  get addresses(): AddressInfo[] {
    const followed = [...this.#followed.values()].flatMap(({ server }) => server ?? []);
    return [...this.#servers, ...followed]
      .filter((server) => server.listening)
      .map((server) => server.address() as AddressInfo);
  }

  /**
   * Binds every address. One whose network does not exist yet (an engine's bridge before its first container) is tried
   * again in the background until it does; any other fault rejects.
   */
  async open(addresses: readonly Address[], signal: AbortSignal): Promise<void> {
    this.#configured = new Set(addresses.map(keyOf));
    await Promise.all(addresses.map((address) => this.#open(address, signal)));
  }

  /**
   * Listens at those of the named addresses (`host:port`) that are this machine's, now or as soon as they are, and leaves
   * those that are not named any more. Addresses of the configuration stay.
   */
  follow(named: readonly string[]): void {
    const wanted = new Map(named.flatMap((text) => parse(text) ?? []).map((address) => [keyOf(address), address]));
    for (const [key, { given, server }] of this.#followed) {
      if (wanted.has(key)) continue;
      this.#followed.delete(key);
      given.abort(new Error('the address is not wanted any more'));
      // Calls in flight end as they would anyway.
      if (server) void closeListener(server, TIMES.drain);
    }
    for (const [key, address] of wanted) {
      if (this.#followed.has(key) || this.#configured.has(key) || this.#stop.signal.aborted) continue;
      const one: Wanted = { address, given: new AbortController() };
      this.#followed.set(key, one);
      void this.#settle(one);
    }
  }

  async close(grace: number): Promise<void> {
    this.#stop.abort(new Error('the proxy ends'));
    const followed = [...this.#followed.values()].flatMap(({ server }) => server ?? []);
    await Promise.all([...this.#servers, ...followed].map((server) => closeListener(server, grace)));
  }

  /** Most named addresses are other machines' and never become this one's: asking is one system call. Never rejects. */
  async #settle(wanted: Wanted): Promise<void> {
    const signal = AbortSignal.any([wanted.given.signal, this.#stop.signal]);
    let told = false;
    while (!signal.aborted) {
      try {
        const server = await this.#bind(wanted.address);
        if (signal.aborted) return await closeListener(server, 0);
        wanted.server = server;
        return;
      } catch (error) {
        const { code, message } = error as NodeJS.ErrnoException;
        if (code !== 'EADDRNOTAVAIL' && !told) {
          told = true;
          this.log.warn(
            { ...wanted.address, reason: message },
            'broker address of a host cannot be used, trying again',
          );
        }
      }
      await delay(TIMES.followRetry, signal).catch(() => undefined);
    }
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
    try {
      this.#servers.push(await this.#bind(address));
      return true;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EADDRNOTAVAIL') return false;
      throw error;
    }
  }

  async #bind(address: Address): Promise<Server> {
    const server = createListener((req, res) => this.requests.handle(req, res));
    const { address: host, port } = await listen(server, address);
    this.log.info({ host, port }, 'model broker listening');
    return server;
  }
}

/** Undefined for what is no address of one machine. */
function parse(text: string): Address | undefined {
  const match = /^(?:\[([^\]]+)\]|([^:]+)):(\d{1,5})$/.exec(text);
  const host = match?.[1] ?? match?.[2] ?? '';
  const port = Number(match?.[3]);
  return isIP(host) && !EVERYWHERE.has(host) && port > 0 && port <= 65_535 ? { host, port } : undefined;
}
