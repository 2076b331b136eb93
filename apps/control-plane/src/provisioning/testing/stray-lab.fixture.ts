import { randomBytes } from 'node:crypto';
import { Database, type Leadership, takeLeadership } from '#libs/database';
import { GatewayDriver, type GatewaySpec } from '#libs/drivers/core';
import { fixtureGatewayFile } from '#libs/testing';
import { HostsService } from '../../fleet/hosts.service.js';
import { Inventory } from '../inventory/inventory.js';
import { ControlPlaneFixture } from './control-plane.fixture.js';

const LIMIT_MS = 30_000;

/** A control plane that does nothing by itself, on a process host where gateways can be put with and without rows. */
export class StrayLab {
  readonly #strays = new Set<string>();
  #port: number;

  private constructor(
    readonly plane: ControlPlaneFixture,
    readonly hostId: string,
    ports: number,
  ) {
    this.#port = ports;
  }

  /** `ports`: the first of a hundred that nothing else uses. */
  static async start(ports: number, environment: Record<string, string> = {}): Promise<StrayLab> {
    const plane = await ControlPlaneFixture.start({
      WIREBOT_DRIVER: 'process',
      WIREBOT_ROLES: 'api',
      WIREBOT_GATEWAY_IMAGE: fixtureGatewayFile(),
      WIREBOT_GATEWAY_PORTS: `${ports}-${ports + 99}`,
      ...environment,
    });
    const host = await plane.app.get(Database).system((tx) => plane.app.get(HostsService).local(tx));
    return new StrayLab(plane, host.id, ports);
  }

  get driver(): GatewayDriver {
    return this.plane.app.get(GatewayDriver);
  }

  get signal(): AbortSignal {
    return AbortSignal.timeout(LIMIT_MS);
  }

  newId = (): string => `gw_${randomBytes(8).toString('hex')}`;

  nextPort(): number {
    this.#port += 2;
    return this.#port - 2;
  }

  spec(id: string, changes: Partial<GatewaySpec> = {}): GatewaySpec {
    const port = changes.port ?? this.nextPort();
    return {
      id,
      kind: 'shared',
      runtime: 'wirebot',
      generation: 1,
      image: fixtureGatewayFile(),
      port,
      controlPort: port + 1,
      resources: { cpus: 1, memoryBytes: 128 * 1024 * 1024, pids: 64 },
      environment: {},
      secrets: { control: 'x' },
      ...changes,
    };
  }

  /** A gateway runs here; rows know nothing of it. Returns its id. */
  async runs(id = this.newId(), changes: Partial<GatewaySpec> = {}): Promise<string> {
    this.#strays.add(id);
    await this.driver.ensure(this.spec(id, changes), this.signal);
    return id;
  }

  /** Only a row. */
  async row(id: string, columns: { phase?: string; port?: number; hostId?: string } = {}): Promise<string> {
    const { phase = 'ready', port = null, hostId = this.hostId } = columns;
    await this.plane.database.query(
      `INSERT INTO gateways (id, tenant_id, host_id, kind, runtime, image, resources, phase, port, due_at, updated_at)
       VALUES ($1, $2, $3, 'shared', 'wirebot', $4, '{"cpus":1,"memoryMb":128,"pids":64,"diskMb":null}', $5, $6, NULL, now())`,
      [id, this.plane.tenantId, hostId, fixtureGatewayFile(), phase, port],
    );
    return id;
  }

  /** Rounds of the inventory, one after the other. */
  async rounds(count: number): Promise<void> {
    for (let round = 0; round < count; round += 1)
      await this.plane.app.get(Inventory).run(await this.lead('inventory'), this.signal);
  }

  async lead(duty: string): Promise<Leadership> {
    const lead = await takeLeadership(this.plane.app.get(Database), duty, 'test', 60);
    if (!lead) throw new Error(`somebody else does ${duty}`);
    return lead;
  }

  findings(): Promise<
    { id: string; name: string; reason: string; state: string; sightings: number; detail: object }[]
  > {
    return this.plane.database.query(
      'SELECT id, name, reason, state, sightings, detail FROM inventory_findings ORDER BY reason, name',
    );
  }

  async status(id: string): Promise<string> {
    return (await this.driver.inspect(id, this.signal)).status;
  }

  async states(): Promise<string[]> {
    return (await this.driver.listStates(this.signal)).map(({ id }) => id);
  }

  async dispose(): Promise<void> {
    const { driver } = this;
    const signal = AbortSignal.timeout(LIMIT_MS);
    await Promise.allSettled([...this.#strays].map((id) => driver.remove(id, signal)));
    await this.plane.dispose();
  }
}
