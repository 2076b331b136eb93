import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { ControlPlaneConfig } from '#libs/config';
import { createLocalDriver } from '#libs/drivers/local';
import { delay } from '#libs/kernel';
import { HostDrivers } from '../../fleet/host-drivers.js';
import { ApiKeysService } from '../../identity/api-keys.service.js';
import { ControlPlaneFixture } from './control-plane.fixture.js';

const BUNDLE = resolve(import.meta.dirname, '../../../../../dist/gateway/gateway.mjs');
const LIMIT_MS = 60_000;

export interface AgentRow {
  readonly id: string;
  readonly phase: string;
  readonly gateway: string | null;
  readonly gateway_phase: string | null;
  readonly host: string | null;
  readonly backup: string | null;
  readonly reasons: string;
}

/** A control plane with two hosts of processes: the configured one, `local`, and `far`, with folders of its own. */
export class TwoHosts {
  /** What calls to a host meet: nothing, or an engine that never answers. */
  readonly #hanging = new Set<string>();
  readonly far: string = 'hst_far';

  private constructor(
    readonly plane: ControlPlaneFixture,
    readonly key: string,
    private readonly folder: string,
  ) {}

  static async start(ports: number, environment: Record<string, string> = {}): Promise<TwoHosts> {
    const plane = await ControlPlaneFixture.start({
      WIREBOT_DRIVER: 'process',
      WIREBOT_GATEWAY_IMAGE: BUNDLE,
      WIREBOT_GATEWAY_PORTS: `${ports}-${ports + 19}`,
      WIREBOT_AGENTS_PER_GATEWAY: '5',
      ...environment,
    });
    const folder = await mkdtemp(join(tmpdir(), 'wb-far-'));
    await plane.database.query(
      `INSERT INTO hosts (id, name, driver, port_from, port_to, connection) VALUES ('hst_far', 'far', 'process', $1, $2, $3)`,
      [ports + 20, ports + 39, JSON.stringify({ kind: 'local', dataDir: folder })],
    );
    const { key } = await plane.app.get(ApiKeysService).issue({ tenantId: null, name: 'ops', scopes: ['*'] });
    const hosts = new TwoHosts(plane, key, folder);
    hosts.#intercept();
    return hosts;
  }

  async call<T = Record<string, never>>(
    method: string,
    url: string,
    payload?: object,
  ): Promise<{ status: number; body: T }> {
    const headers = { authorization: `Bearer ${this.key}` };
    const answer = await this.plane.app.inject({
      method: method as 'GET',
      url,
      headers,
      ...(payload ? { payload } : {}),
    });
    return { status: answer.statusCode, body: (answer.body ? answer.json() : undefined) as T };
  }

  async local(): Promise<string> {
    const rows = await this.plane.database.query<{ id: string }>(`SELECT id FROM hosts WHERE name = 'local'`);
    return rows[0]!.id;
  }

  async agent(externalId: string): Promise<AgentRow> {
    const rows = await this.plane.database.query<AgentRow>(
      `SELECT a.id, a.phase, g.id AS gateway, g.phase AS gateway_phase, h.name AS host, a.restore_backup_id AS backup,
         a.conditions::text AS reasons
       FROM agents a JOIN members m ON m.id = a.member_id LEFT JOIN gateways g ON g.id = a.gateway_id
       LEFT JOIN hosts h ON h.id = g.host_id WHERE m.external_id = $1`,
      [externalId],
    );
    return rows[0]!;
  }

  /** Waits until `holds`; says what there was when it does not happen. */
  async until<T>(read: () => Promise<T>, holds: (value: T) => boolean, limitMs = LIMIT_MS): Promise<T> {
    const end = Date.now() + limitMs;
    for (;;) {
      const value = await read();
      if (holds(value)) return value;
      if (Date.now() > end) throw new Error(`it did not happen: ${JSON.stringify(value)}`);
      await delay(50);
    }
  }

  /** From now on nothing answers there, as with a stopped engine; `wake` ends it. */
  hang(hostId: string): void {
    this.#hanging.add(hostId);
  }

  wake(hostId: string): void {
    this.#hanging.delete(hostId);
  }

  /** What really runs on the far host. */
  async runningFar(): Promise<string[]> {
    const driver = await this.#farDriver();
    return (await driver.list(AbortSignal.timeout(10_000))).filter(({ running }) => running).map(({ id }) => id);
  }

  async dispose(): Promise<void> {
    await this.plane.dispose();
    const driver = await this.#farDriver();
    const left = await driver.list(AbortSignal.timeout(10_000));
    await Promise.all(left.map(({ id }) => driver.remove(id, AbortSignal.timeout(30_000))));
    await rm(this.folder, { recursive: true, force: true });
  }

  #farDriver() {
    const { instance } = this.plane.app.get(ControlPlaneConfig);
    return createLocalDriver({ driver: 'process', instance, dataDir: this.folder, ports: { from: 1, to: 2 } });
  }

  /** The one way to a host's engine: everything that the control plane does there goes through it. */
  #intercept(): void {
    const drivers = this.plane.app.get(HostDrivers);
    const { of, facts } = drivers;
    const orHang = <T>(hostId: string, signal: AbortSignal, call: () => Promise<T>): Promise<T> =>
      this.#hanging.has(hostId)
        ? new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason as Error)))
        : call();
    drivers.of = (hostId, signal) => orHang(hostId, signal, () => of.call(drivers, hostId, signal));
    drivers.facts = (hostId, signal) => orHang(hostId, signal, () => facts.call(drivers, hostId, signal));
  }
}
