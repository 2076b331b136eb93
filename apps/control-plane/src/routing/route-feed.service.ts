import { Injectable, type BeforeApplicationShutdown, type OnApplicationBootstrap } from '@nestjs/common';
import { ControlPlaneConfig } from '#libs/config';
import {
  type AgentRoute,
  type Revocation,
  ROUTE_HEARTBEAT_SECONDS,
  type RouteFrame,
  type TenantRoute,
} from '#libs/contracts';
import { Database } from '#libs/database';
import { Clock, delay } from '#libs/kernel';
import { ChangeNotifier } from '#libs/queue';
import { Log } from '../log.js';
import { brokerAddressesOf, readBrokerHosts } from './broker-addresses.js';
import { ProviderKeyReader } from '../secrets/provider-key.reader.js';
import { dailyLimits } from './daily-limits.js';
import { ROUTES_CHANNEL } from './route-publisher.js';

/** Notices can get lost; the database is read this often anyway. */
const POLL_MS = 1_000;

/** One connected proxy. */
export interface FeedConnection {
  send(frame: RouteFrame): void;
  /** The process stops: the stream is ended in order, and the proxy goes to another one. */
  end(): void;
}
type Jwks = { readonly keys: readonly Record<string, unknown>[] };

const sameJson = (a: unknown, b: unknown): boolean => JSON.stringify(a) === JSON.stringify(b);
const toMap = (tenants: readonly TenantRoute[]): Map<string, TenantRoute> =>
  new Map(tenants.map((row) => [row.tenantId, row]));

/**
 * Keeps every connected proxy's route table current: one snapshot, then deltas. Reads the database once for all of
 * them, woken by notices. A read that fails sends nothing: proxies keep their last good table.
 */
@Injectable()
export class RouteFeedService implements OnApplicationBootstrap, BeforeApplicationShutdown {
  readonly #connections = new Set<FeedConnection>();
  readonly #agents = new Map<string, AgentRoute>();
  readonly #stop = new AbortController();
  #tenants = new Map<string, TenantRoute>();
  #revocations: Revocation[] = [];
  #jwks: Jwks = { keys: [] };
  #brokerAddresses: readonly string[] = [];
  #epoch = '';
  #version = 0;
  #reading: Promise<void> | undefined;
  #readAgain = false;
  #timers: NodeJS.Timeout[] = [];

  constructor(
    private readonly database: Database,
    private readonly notifier: ChangeNotifier,
    private readonly config: ControlPlaneConfig,
    private readonly clock: Clock,
    private readonly log: Log,
    private readonly ownKeys: ProviderKeyReader,
  ) {}

  async onApplicationBootstrap(): Promise<void> {
    if (!this.config.roles.includes('api')) return;
    const look = () => {
      void this.refresh();
      void this.#refreshKeys();
    };
    await this.notifier.subscribe(ROUTES_CHANNEL, look, look);
    this.#timers = [setInterval(look, POLL_MS), setInterval(() => this.#heartbeat(), ROUTE_HEARTBEAT_SECONDS * 1000)];
    await Promise.all([this.refresh(), this.#refreshKeys()]);
  }

  /** Before the server closes: it would wait for these streams for ever. */
  beforeApplicationShutdown(): void {
    this.#stop.abort();
    for (const timer of this.#timers) clearInterval(timer);
    for (const connection of this.#connections) connection.end();
    this.#connections.clear();
  }

  /** Sends a snapshot now and every delta from here on, until the returned function is called. */
  async connect(connection: FeedConnection): Promise<() => void> {
    while (!this.#complete && !this.#stop.signal.aborted) {
      await Promise.all([this.refresh(), this.#refreshKeys()]);
      if (!this.#complete) await delay(250, this.#stop.signal).catch(() => undefined);
    }
    if (this.#stop.signal.aborted) {
      connection.end();
      return () => undefined;
    }
    connection.send(this.snapshot());
    this.#connections.add(connection);
    return () => this.#connections.delete(connection);
  }

  snapshot(): RouteFrame {
    return {
      type: 'snapshot',
      epoch: this.#epoch,
      version: this.#version,
      issuer: this.config.url,
      jwks: this.#jwks,
      tenants: [...this.#tenants.values()],
      agents: [...this.#agents.values()],
      revocations: this.#revocations,
      providerKeys: this.ownKeys.list(),
      brokerAddresses: this.#brokerAddresses,
    };
  }

  /** Reads what changed and tells everybody; calls that come meanwhile become one more read. Never rejects. */
  async refresh(): Promise<void> {
    if (this.#reading) {
      this.#readAgain = true;
      return this.#reading;
    }
    this.#reading = this.#read()
      .catch((error: unknown) => this.log.warn({ err: error }, 'route feed could not read; proxies keep their table'))
      .finally(() => {
        this.#reading = undefined;
      });
    await this.#reading;
    if (this.#readAgain && !this.#stop.signal.aborted) {
      this.#readAgain = false;
      await this.refresh();
    }
  }

  async #read(): Promise<void> {
    const from = this.#version;
    const fresh = await this.database.system(async (tx) => {
      const rows = await tx.$queryRaw<{ agent_id: string; route: AgentRoute | null; version: bigint }[]>`
        SELECT agent_id, route, version FROM routes WHERE version > ${from} ORDER BY version`;
      const tenants = await tx.tenant.findMany({
        where: { status: { in: ['active', 'suspended'] } },
        include: { hosts: true },
        orderBy: { id: 'asc' },
      });
      const keys = await tx.signingKey.findMany({
        where: { OR: [{ removeAfter: null }, { removeAfter: { gt: this.clock.now() } }] },
        select: { publicJwk: true },
        orderBy: { kid: 'asc' },
      });
      const revoked = await tx.revocation.findMany({
        where: { until: { gt: this.clock.now() } },
        orderBy: { id: 'asc' },
      });
      const epoch = this.#epoch || (await tx.installation.findUniqueOrThrow({ where: { id: 1 } })).epoch;
      const issuers = await tx.sharedSecretIssuer.findMany({ where: { enabled: true }, select: { tenantId: true } });
      const accepting = new Set(issuers.map((issuer) => issuer.tenantId));
      return { rows, tenants, keys, revoked, accepting, epoch, hosts: await readBrokerHosts(tx) };
    });
    this.#epoch = fresh.epoch;
    this.#apply(
      from,
      fresh.rows,
      fresh.tenants.map((row) => toTenantRoute(row, fresh.accepting.has(row.id))),
      fresh.keys.map((key) => key.publicJwk as Record<string, unknown>),
      fresh.revoked.map(toRevocation),
      brokerAddressesOf(fresh.hosts, this.config.brokerPort),
    );
  }

  #apply(
    from: number,
    rows: readonly { agent_id: string; route: AgentRoute | null; version: bigint }[],
    tenants: TenantRoute[],
    keys: Record<string, unknown>[],
    revocations: Revocation[],
    brokerAddresses: readonly string[],
  ): void {
    const upsert = rows.flatMap((row) => (row.route ? [row.route] : []));
    const remove = rows.filter((row) => !row.route).map((row) => row.agent_id);
    for (const route of upsert) this.#agents.set(route.agentId, route);
    for (const id of remove) this.#agents.delete(id);
    const nextTenants = toMap(tenants);
    const tenantChanges = {
      upsert: tenants.filter((row) => !sameJson(row, this.#tenants.get(row.tenantId))),
      remove: [...this.#tenants.keys()].filter((id) => !nextTenants.has(id)),
    };
    const changed = {
      agents: rows.length > 0,
      tenants: tenantChanges.upsert.length + tenantChanges.remove.length > 0,
      jwks: !sameJson(keys, this.#jwks.keys),
      revocations: !sameJson(revocations, this.#revocations),
      brokerAddresses: !sameJson(brokerAddresses, this.#brokerAddresses),
    };
    this.#tenants = nextTenants;
    this.#jwks = { keys };
    this.#revocations = revocations;
    this.#brokerAddresses = brokerAddresses;
    this.#version = rows.length > 0 ? Number(rows.at(-1)!.version) : this.#version;
    if (!Object.values(changed).includes(true)) return;
    this.#send({
      type: 'delta',
      from,
      version: this.#version,
      ...(changed.agents ? { agents: { upsert, remove } } : {}),
      ...(changed.tenants ? { tenants: tenantChanges } : {}),
      ...(changed.jwks ? { jwks: this.#jwks } : {}),
      ...(changed.revocations ? { revocations } : {}),
      ...(changed.brokerAddresses ? { brokerAddresses } : {}),
    });
  }

  /** A snapshot replaces what a proxy has: none is sent before everything was read once. */
  get #complete(): boolean {
    return this.#epoch !== '' && this.ownKeys.loaded;
  }

  /** Beside the routes and not before them: a slow Vault holds up no route. Never rejects. */
  async #refreshKeys(): Promise<void> {
    try {
      const changes = await this.ownKeys.refresh();
      if (changes.upsert.length + changes.remove.length === 0 || this.#stop.signal.aborted) return;
      this.#send({ type: 'delta', from: this.#version, version: this.#version, providerKeys: changes });
    } catch (err) {
      this.log.warn({ err }, 'provider keys could not be read; proxies keep what they have');
    }
  }

  #heartbeat(): void {
    this.#send({ type: 'heartbeat', version: this.#version, at: this.clock.now().toISOString() });
  }

  #send(frame: RouteFrame): void {
    for (const connection of this.#connections) connection.send(frame);
  }
}

function toTenantRoute(
  row: {
    id: string;
    slug: string;
    name: string;
    status: string;
    brand: unknown;
    limits: unknown;
    hosts: readonly { host: string }[];
  },
  acceptsSharedSecretTokens: boolean,
): TenantRoute {
  const brand = row.brand as Partial<TenantRoute['brand']>;
  return {
    tenantId: row.id,
    slug: row.slug,
    name: row.name,
    hosts: row.hosts.map((entry) => entry.host).sort(),
    brand: {
      name: brand.name ?? row.name,
      accent: brand.accent ?? '#3b5bdb',
      greeting: brand.greeting ?? 'What are we working on today?',
    },
    status: row.status === 'suspended' ? 'suspended' : 'active',
    limits: dailyLimits(row.limits),
    acceptsSharedSecretTokens,
  };
}

function toRevocation(row: {
  tenantId: string;
  jti: string | null;
  memberId: string | null;
  issuedBefore: Date | null;
  until: Date;
}): Revocation {
  const until = row.until.toISOString();
  const { tenantId } = row;
  if (row.jti) return { tenantId, jti: row.jti, until };
  const issuedBefore = (row.issuedBefore ?? row.until).toISOString();
  return { tenantId, ...(row.memberId ? { memberId: row.memberId } : {}), issuedBefore, until };
}
