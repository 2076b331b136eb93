import { createHash } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { Database, Prisma, type Tx } from '#libs/database';
import type { HostConnection, HostCredentials } from '#libs/drivers/core';
import { Clock, ID_PREFIXES } from '#libs/kernel';
import { AuditLog } from '../audit/audit-log.js';
import { InvalidRequest } from '../http/http.errors.js';
import { assertIfMatch } from '../http/etag.js';
import type { ChangeHostDto, ConnectionDto, NewHostDto, PortsDto } from './dto/host.dto.js';
import type { HostTarget } from './host-connector.js';
import { HostCredentialStore } from './host-credentials.js';
import type { HostFactsRecord } from './host-facts.js';
import { HostProbe } from './host-probe.js';
import type { Roots } from './host-roots.js';
import { hostEtag, type HostView } from './host-view.js';
import { HostFoldersInUse, HostIsConfigured, HostNameTaken, HostNotFound, HostRegistered } from './hosts.errors.js';
import { HostsRepository } from './hosts.repository.js';
import { type HostRow, HostsService } from './hosts.service.js';

type Json = Prisma.InputJsonObject;
export interface Answered {
  readonly view: HostView;
  readonly etag: string;
}

/** Hosts as operators register and change them. A host is tried before it is taken, outside of any transaction. */
@Injectable()
export class HostsAdminService {
  constructor(
    private readonly database: Database,
    private readonly hosts: HostsRepository,
    private readonly configured: HostsService,
    private readonly credentials: HostCredentialStore,
    private readonly probe: HostProbe,
    private readonly audit: AuditLog,
    private readonly clock: Clock,
  ) {}

  async list(after: string | undefined, limit: number): Promise<HostView[]> {
    return this.database.system(async (tx) => {
      await this.configured.local(tx);
      return this.hosts.views(tx, await this.hosts.list(tx, after, limit));
    });
  }

  async get(id: string): Promise<Answered> {
    return this.database.system(async (tx) => this.#answer(tx, await this.#found(tx, id)));
  }

  async register(actor: string, wanted: NewHostDto): Promise<Answered> {
    const connection = toConnection(wanted.connection);
    const id = hostIdOf(connection);
    const ports = checkedPorts(wanted.ports);
    await this.#assertRoots(connection);
    await this.database.system(async (tx) => {
      await this.#assertName(tx, wanted.name);
      await this.#assertFree(tx, id);
    });
    const credentials = { ...wanted.credentials };
    const facts = await this.probe.try({ hostId: id, driver: 'docker', connection, credentials, ports }, even(ports));
    const sealed = wanted.credentials && (await this.credentials.seal(id, credentials));
    return this.database.system(async (tx) => {
      await this.#assertName(tx, wanted.name);
      await this.#assertFree(tx, id);
      const data = {
        name: wanted.name,
        driver: 'docker',
        portFrom: ports.from,
        portTo: ports.to,
        connection: connection as unknown as Json,
        labels: { ...wanted.labels },
        capacity: { ...wanted.capacity },
        ...this.#seen(facts),
      };
      const anew = { state: 'active', stateSince: this.clock.now(), reason: null, startEmpty: false };
      const row = await tx.host.upsert({ where: { id }, create: { id, ...data }, update: { ...data, ...anew } });
      if (sealed) await this.credentials.put(tx, id, sealed);
      const answer = await this.#answer(tx, row);
      await this.#record(tx, actor, 'host.register', id, { name: row.name, connection: connection.kind });
      return answer;
    });
  }

  async change(id: string, actor: string, wanted: ChangeHostDto, ifMatch?: string): Promise<Answered> {
    const before = await this.database.system((tx) => this.#found(tx, id));
    const reaches = wanted.connection ?? wanted.credentials ?? wanted.ports;
    if (reaches && isConfigured(before)) throw new HostIsConfigured('change its engine and its ports');
    await this.database.system((tx) => assertFoldersStay(tx, before, wanted));
    const facts = reaches && (await this.#tried(before, wanted));
    const sealed = wanted.credentials && (await this.credentials.seal(id, { ...wanted.credentials }));
    return this.database.system(async (tx) => {
      await tx.$queryRaw`SELECT 1 FROM hosts WHERE id = ${id} FOR UPDATE`;
      const row = await this.#found(tx, id);
      assertIfMatch(ifMatch, hostEtag(row));
      await assertFoldersStay(tx, row, wanted);
      if (wanted.name !== undefined && wanted.name !== row.name) await this.#assertName(tx, wanted.name);
      const changed = await tx.host.update({
        where: { id },
        data: { ...changesOf(wanted), ...(facts ? this.#seen(facts) : {}) },
      });
      if (sealed) await this.credentials.put(tx, id, sealed);
      const answer = await this.#answer(tx, changed);
      await this.#record(tx, actor, 'host.change', id, {
        old: auditOf(row),
        new: auditOf(changed),
        credentials: sealed !== undefined,
      });
      return answer;
    });
  }

  /** Tries the host as it is, and keeps what it says of itself. */
  async tryAgain(id: string, actor: string): Promise<Answered> {
    const row = await this.database.system((tx) => this.#found(tx, id));
    const facts = await this.#tried(row, {});
    return this.database.system(async (tx) => {
      const seen = await tx.host.update({ where: { id }, data: this.#seen(facts) });
      const answer = await this.#answer(tx, seen);
      await this.#record(tx, actor, 'host.probe', id, {});
      return answer;
    });
  }

  async #tried(row: HostRow, wanted: ChangeHostDto): Promise<HostFactsRecord> {
    const connection = wanted.connection
      ? toConnection(wanted.connection)
      : (row.connection as unknown as HostConnection);
    await this.#assertRoots(connection);
    const credentials: HostCredentials = wanted.credentials ?? (await this.credentials.read(row.id));
    const ports = wanted.ports ? checkedPorts(wanted.ports) : { from: row.portFrom, to: row.portTo };
    const target: HostTarget = { hostId: row.id, driver: row.driver, connection, credentials, ports };
    return this.probe.try(target, await this.#freePort(row.id, ports));
  }

  async #assertRoots(connection: HostConnection): Promise<void> {
    if (connection.kind !== 'local') await this.probe.assertRoots(connection);
  }

  async #freePort(hostId: string, ports: PortsDto): Promise<number> {
    const rows = await this.database.raw.gateway.findMany({
      where: { hostId, port: { not: null } },
      select: { port: true },
    });
    const taken = new Set(rows.map((row) => row.port));
    for (let port = even(ports); port < ports.to; port += 2) if (!taken.has(port)) return port;
    return even(ports);
  }

  async #found(tx: Tx, id: string): Promise<HostRow> {
    const row = await this.hosts.find(tx, id);
    if (!row) throw new HostNotFound();
    return row;
  }

  async #assertFree(tx: Tx, id: string): Promise<void> {
    const taken = await this.hosts.find(tx, id);
    if (taken) throw new HostRegistered(taken.name);
  }

  async #assertName(tx: Tx, name: string): Promise<void> {
    await tx.$executeRaw`SELECT pg_advisory_xact_lock(hashtextextended(${`host:${name}`}, 0))`;
    if ((await tx.host.count({ where: { name } })) > 0) throw new HostNameTaken();
  }

  async #answer(tx: Tx, row: HostRow): Promise<Answered> {
    return { view: await this.hosts.view(tx, row), etag: hostEtag(row) };
  }

  #seen(facts: HostFactsRecord): { facts: Json; lastSeenAt: Date; silentSince: null } {
    return { facts: { ...facts } as unknown as Json, lastSeenAt: this.clock.now(), silentSince: null };
  }

  async #record(tx: Tx, actor: string, action: string, resourceId: string, data: Json): Promise<void> {
    await this.audit.record(tx, { tenantId: null, actor, action, resource: 'host', resourceId, data });
  }
}

/**
 * An engine remembers whose it is by the host's id (the label of its network): whoever registers it again, after a trial that
 * failed or after its removal, finds the same one.
 */
function hostIdOf(connection: HostConnection): string {
  const place = connection.kind === 'unix' ? [connection.socketPath] : placeOf(connection);
  const digest = createHash('sha256')
    .update(JSON.stringify([connection.kind, ...place]))
    .digest('hex');
  return `${ID_PREFIXES.host}_${digest.slice(0, 26)}`;
}

const placeOf = (connection: HostConnection): (string | number | undefined)[] =>
  connection.kind === 'tls' || connection.kind === 'ssh'
    ? [connection.host, connection.port, connection.kind === 'ssh' ? connection.socketPath : undefined]
    : [];

/** Of the control plane's own environment. */
export const isConfigured = ({ connection }: HostRow): boolean => {
  const { kind, dataDir } = connection as { kind: string; dataDir?: string };
  return kind === 'local' && dataDir === undefined;
};

/** Gateways take an even port and the next one. */
const even = (ports: PortsDto): number => ports.from + (ports.from % 2);

function checkedPorts(ports: PortsDto): PortsDto {
  if (ports.to > even(ports)) return { from: ports.from, to: ports.to };
  throw new InvalidRequest([{ field: 'ports.to', message: 'ports must have room for an even port and the next one' }]);
}

async function assertFoldersStay(tx: Tx, row: HostRow, { connection }: ChangeHostDto): Promise<void> {
  const { stateRoot, secretsRoot } = row.connection as Partial<Roots>;
  if (!connection || (connection.stateRoot === stateRoot && connection.secretsRoot === secretsRoot)) return;
  const gateways = await tx.gateway.count({ where: { hostId: row.id, phase: { not: 'deleted' } } });
  if (gateways > 0) throw new HostFoldersInUse(gateways);
}

/** Exactly what its kind has. */
function toConnection(dto: ConnectionDto): HostConnection {
  const folders = { stateRoot: dto.stateRoot, secretsRoot: dto.secretsRoot };
  if (dto.stateRoot === dto.secretsRoot)
    throw new InvalidRequest([
      { field: 'connection.secretsRoot', message: 'secretsRoot must be another folder than stateRoot' },
    ]);
  if (dto.kind === 'unix') return { kind: 'unix', socketPath: dto.socketPath!, ...folders };
  const at = { host: dto.host!, port: dto.port!, ...folders };
  if (dto.kind === 'tls') return { kind: 'tls', ...at };
  return { kind: 'ssh', user: dto.user!, ...at, ...(dto.socketPath ? { socketPath: dto.socketPath } : {}) };
}

function changesOf({ name, connection, ports, labels, capacity }: ChangeHostDto): Prisma.HostUncheckedUpdateInput {
  return {
    ...(name === undefined ? {} : { name }),
    ...(connection ? { connection: toConnection(connection) as unknown as Json } : {}),
    ...(ports ? { portFrom: ports.from, portTo: ports.to } : {}),
    ...(labels ? { labels: { ...labels } } : {}),
    ...(capacity ? { capacity: { ...capacity } } : {}),
  };
}

const auditOf = ({ name, portFrom, portTo, labels, capacity, connection }: HostRow): Json => ({
  name,
  ports: `${portFrom}-${portTo}`,
  connection: (
    connection as {
      kind: string;
    }
  ).kind,
  labels: labels as Json,
  capacity: capacity as Json,
});
