import { Injectable } from '@nestjs/common';
import { Database } from '#libs/database';
import { LeaseGuard } from '../provisioning/lease-guard.js';
import { GatewayDriver, type HostConnection, type HostFacts } from '#libs/drivers/core';

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
  ) {}

  /** The driver, its host prepared. Throws DriverError; a failure is forgotten, so the next call tries again. */
  async of(hostId: string, signal: AbortSignal): Promise<GatewayDriver> {
    await this.facts(hostId, signal);
    return this.#knownAs(hostId).driver;
  }

  async facts(hostId: string, signal: AbortSignal): Promise<HostFacts> {
    const known = this.#knownAs(hostId);
    try {
      known.facts ??= known.driver.then((driver) => driver.prepare(signal));
      return await known.facts;
    } catch (error) {
      this.forget(hostId);
      throw error;
    }
  }

  /** After an outage or a change of the connection: what was prepared may be gone. */
  forget(hostId: string): void {
    this.#known.delete(hostId);
  }

  #knownAs(hostId: string): Known {
    const found = this.#known.get(hostId);
    if (found) return found;
    const driver = this.#make(hostId).then((made) => this.guard.guarded(made, READS));
    const known: Known = { driver, facts: undefined };
    known.driver.catch(() => this.#known.delete(hostId));
    this.#known.set(hostId, known);
    return known;
  }

  async #make(hostId: string): Promise<GatewayDriver> {
    const host = await this.database.once((client) => client.host.findUniqueOrThrow({ where: { id: hostId } }));
    const connection = host.connection as unknown as HostConnection;
    if (connection.kind === 'local') return this.local;
    throw new Error(`hosts of kind ${connection.kind} are not connected yet`);
  }
}
