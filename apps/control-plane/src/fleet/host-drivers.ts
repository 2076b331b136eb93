import { Injectable } from '@nestjs/common';
import { Database } from '#libs/database';
import { GatewayDriver, type HostConnection, type HostFacts } from '#libs/drivers/core';
import { deadline } from '#libs/kernel';
import { LeaseGuard } from '../provisioning/lease-guard.js';
import { CallMetrics } from '../provisioning/metrics/call-metrics.js';
import { HostConnector } from './host-connector.js';
import { HostCredentialStore } from './host-credentials.js';

/** What changes nothing at the host, and so needs no lease. */
const READS: ReadonlySet<string> = new Set([
  'prepare',
  'inspect',
  'list',
  'watch',
  'logs',
  'stats',
  'usage',
  'listStates',
]);

/** Making a host ready is given up after this long, in milliseconds; whoever asks next tries again. */
const PREPARE_LIMIT = 20_000;

interface Known {
  readonly driver: Promise<GatewayDriver>;
  facts: Promise<HostFacts> | undefined;
}

/** The driver of each host, made when it is first needed and prepared once. */
@Injectable()
export class HostDrivers {
  readonly #known = new Map<string, Known>();

  constructor(
    private readonly database: Database,
    private readonly local: GatewayDriver,
    private readonly guard: LeaseGuard,
    private readonly calls: CallMetrics,
    private readonly connector: HostConnector,
    private readonly credentials: HostCredentialStore,
  ) {}

  /** The driver, its host prepared. Throws DriverError; a failure is forgotten, so the next call tries again. */
  async of(hostId: string, signal: AbortSignal): Promise<GatewayDriver> {
    await this.facts(hostId, signal);
    return this.#knownAs(hostId).driver;
  }

  /** Many wait for one preparation: who gives up waiting does not end it for the others. */
  async facts(hostId: string, signal: AbortSignal): Promise<HostFacts> {
    const known = this.#knownAs(hostId);
    known.facts ??= known.driver.then((driver) => driver.prepare(deadline(PREPARE_LIMIT)));
    const { facts } = known;
    facts.catch(() => this.#forgetIf(hostId, known));
    return unlessAborted(facts, signal);
  }

  /** After an outage or a change of the connection: what was prepared may be gone. */
  forget(hostId: string): void {
    this.#known.delete(hostId);
  }

  #forgetIf(hostId: string, known: Known): void {
    if (this.#known.get(hostId) === known) this.forget(hostId);
  }

  #knownAs(hostId: string): Known {
    const found = this.#known.get(hostId);
    if (found) return found;
    const driver = this.#make(hostId).then((made) => this.guard.guarded(this.calls.measured(made, 'driver'), READS));
    const known: Known = { driver, facts: undefined };
    known.driver.catch(() => this.#forgetIf(hostId, known));
    this.#known.set(hostId, known);
    return known;
  }

  async #make(hostId: string): Promise<GatewayDriver> {
    const host = await this.database.once((client) => client.host.findUniqueOrThrow({ where: { id: hostId } }));
    const connection = host.connection as unknown as HostConnection;
    if (connection.kind === 'local' && connection.dataDir === undefined) return this.local;
    const { driver, portFrom, portTo } = host;
    const credentials = await this.credentials.read(hostId);
    return this.connector.connect({ hostId, driver, connection, credentials, ports: { from: portFrom, to: portTo } });
  }
}

function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  if (signal.aborted) return Promise.reject(signal.reason as Error);
  return new Promise((resolve, reject) => {
    const abort = (): void => reject(signal.reason as Error);
    signal.addEventListener('abort', abort, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort));
  });
}
