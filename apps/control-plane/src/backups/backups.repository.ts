import { Injectable } from '@nestjs/common';
import type { ArchiveManifest } from '#libs/contracts';
import { Database, Prisma, type Tx } from '#libs/database';
import { Clock, Ids } from '#libs/kernel';
import { Outbox } from '../outbox/outbox.js';
import type { KeptArchive } from './backup-archives.js';
import { type BackupKind, expiryOf } from './backup-kinds.js';
import { type BackupRow, prefixOf } from './backup-rows.js';

export interface NewBackup {
  readonly tenantId: string;
  readonly memberId: string;
  readonly agentId: string;
  readonly gatewayId: string | null;
  readonly kind: BackupKind;
  /** Which store it goes to. */
  readonly store: string;
  /** Of a scheduled one; others follow from their kind. */
  readonly keepDays?: number | undefined;
  /** What waits for it. */
  readonly operationId?: string | undefined;
}

/** What a backup holds, as its row keeps it: the list of files only while it is short. */
export interface StoredManifest {
  readonly createdAt: string;
  readonly files: number;
  readonly bytes: number;
  readonly list: ArchiveManifest['files'] | null;
}

/** Longest list of files in a row. */
const MOST_LISTED = 1_000;

/** Rows of backups. Whoever makes one holds it by `attempts`, which only rises: a process that lost it changes nothing. */
@Injectable()
export class BackupsRepository {
  constructor(
    private readonly database: Database,
    private readonly outbox: Outbox,
    private readonly ids: Ids,
    private readonly clock: Clock,
  ) {}

  /** In the caller's transaction; a worker takes it from there. */
  async insert(tx: Tx, wanted: NewBackup): Promise<BackupRow> {
    const { keepDays, operationId, ...rest } = wanted;
    const now = this.clock.now();
    const id = this.ids.next('backup');
    const expiresAt = expiryOf(wanted.kind, now, keepDays);
    const own = { id, objectKey: `${prefixOf({ ...rest, id })}0`, createdAt: now, dueAt: now, expiresAt };
    return tx.backup.create({ data: { ...rest, ...own, operationId: operationId ?? null } });
  }

  async find(tx: Tx, tenantId: string, id: string): Promise<BackupRow | undefined> {
    return (await tx.backup.findFirst({ where: { id, tenantId } })) ?? undefined;
  }

  async findAny(id: string): Promise<BackupRow | undefined> {
    return (await this.database.raw.backup.findUnique({ where: { id } })) ?? undefined;
  }

  /** Those that an operation waits for. */
  async ofOperation(tx: Tx, operationId: string): Promise<BackupRow[]> {
    return tx.backup.findMany({ where: { operationId }, orderBy: { id: 'asc' } });
  }

  /** The newest good one of an agent, older than `before`. */
  async newestGood(tx: Tx, tenantId: string, agentId: string, before?: Date): Promise<BackupRow | undefined> {
    const where = { tenantId, agentId, status: 'succeeded', ...(before ? { createdAt: { lt: before } } : {}) };
    return (await tx.backup.findFirst({ where, orderBy: { createdAt: 'desc' } })) ?? undefined;
  }

  /** Takes the next one that is to be made (or that its process left behind) for `seconds`; its object gets a key of its own. */
  async claim(owner: string, seconds: number): Promise<BackupRow | undefined> {
    try {
      const [row] = await this.database.raw.$queryRaw<{ id: string }[]>`
        UPDATE backups SET status = 'running', lease_owner = ${owner}, attempts = attempts + 1,
          lease_until = now() + make_interval(secs => ${seconds}),
          object_key = tenant_id || '/' || agent_id || '/' || id || '.' || (attempts + 1) || '.tar.zst.age'
        WHERE id = (
          SELECT b.id FROM backups b
          WHERE ((b.status = 'pending' AND b.due_at <= ${this.clock.now()}) OR (b.status = 'running' AND b.lease_until < now()))
            AND NOT EXISTS (SELECT FROM backups o WHERE o.agent_id = b.agent_id AND o.id <> b.id AND o.status = 'running')
          ORDER BY b.kind = 'scheduled', b.due_at LIMIT 1 FOR UPDATE OF b SKIP LOCKED)
        RETURNING id`;
      return row && (await this.findAny(row.id));
    } catch (error) {
      // Another process has begun a backup of the same agent in this moment.
      if (isUniqueViolation(error)) return undefined;
      throw error;
    }
  }

  /** What a former process of this name was making is free at once: nobody else can be that process. */
  async dropLeases(nodeName: string): Promise<void> {
    await this.database.raw.$executeRaw`
      UPDATE backups SET lease_until = now() - interval '1 second'
      WHERE status = 'running' AND split_part(lease_owner, ':', 1) = ${nodeName}`;
  }

  /** False: it is somebody else's now, or nobody wants it any more. Its gateway is kept awake as long: a frozen one sends nothing. */
  async renew(row: BackupRow, seconds: number): Promise<boolean> {
    const [mine] = await this.database.raw.$queryRaw<{ n: number }[]>`
      WITH mine AS (
        UPDATE backups SET lease_until = now() + make_interval(secs => ${seconds})
        WHERE id = ${row.id} AND attempts = ${row.attempts} AND status = 'running' RETURNING agent_id
      ), awake AS (
        UPDATE gateways g SET awake_until = greatest(g.awake_until, now() + make_interval(secs => ${seconds}))
        FROM mine JOIN agents a ON a.id = mine.agent_id WHERE g.id = a.gateway_id
      )
      SELECT count(*)::int AS n FROM mine`;
    return mine?.n === 1;
  }

  /** Given back, to be tried again at `dueAt`; `why` says what it waits for. */
  async putBack(row: BackupRow, dueAt: Date, why: { readonly code: string; readonly message: string }): Promise<void> {
    await this.#release(row, { status: 'pending', dueAt, error: { ...why } });
  }

  async succeed(row: BackupRow, archive: KeptArchive, version: string): Promise<boolean> {
    const { bytes, sha256, keyId, manifest } = archive;
    return this.#finish(row, 'succeeded', {
      bytes,
      sha256,
      keyId,
      version,
      manifest: storedManifest(manifest) as unknown as Prisma.InputJsonObject,
      error: Prisma.DbNull,
    });
  }

  async fail(row: BackupRow, why: { readonly code: string; readonly message: string }): Promise<boolean> {
    return this.#finish(row, 'failed', { error: { ...why } });
  }

  async noteVerified(id: string, damage: { readonly code: string; readonly message: string } | null): Promise<void> {
    const data = damage ? { error: { ...damage } } : { verifiedAt: this.clock.now(), error: Prisma.DbNull };
    await this.database.raw.backup.updateMany({ where: { id, status: 'succeeded' }, data });
  }

  /** Its object first, then (with `forget`) its row. */
  async giveUp(tx: Tx, where: Prisma.BackupWhereInput): Promise<number> {
    return (
      await tx.backup.updateMany({ where: { ...where, status: { not: 'deleting' } }, data: { status: 'deleting' } })
    ).count;
  }

  /** Rows that nobody works on and whose objects have to go. */
  async deletable(where: Prisma.BackupWhereInput, limit: number): Promise<BackupRow[]> {
    const free = { OR: [{ leaseUntil: null }, { leaseUntil: { lt: new Date() } }] };
    return this.database.raw.backup.findMany({ where: { ...where, status: 'deleting', ...free }, take: limit });
  }

  async forget(id: string): Promise<void> {
    await this.database.raw.backup.deleteMany({ where: { id, status: 'deleting' } });
  }

  async #finish(row: BackupRow, status: 'succeeded' | 'failed', data: Prisma.BackupUpdateInput): Promise<boolean> {
    const finished = await this.#release(row, { ...data, status, finishedAt: this.clock.now() }, async (tx) => {
      const event = { tenantId: row.tenantId, topic: 'backups' as const, aggregateId: row.id, type: status };
      const { agentId, memberId, kind } = row;
      await this.outbox.append(tx, { ...event, data: { agentId, memberId, kind } });
      // Whoever restores after it is looked at now.
      if (row.operationId) await tx.$executeRaw`UPDATE agents SET due_at = now() WHERE id = ${agentId}`;
    });
    if (finished) await this.outbox.announce();
    return finished;
  }

  async #release(
    row: BackupRow,
    data: Prisma.BackupUpdateInput,
    also: (tx: Tx) => Promise<void> = () => Promise.resolve(),
  ): Promise<boolean> {
    return this.database.system(async (tx) => {
      const where = { id: row.id, attempts: row.attempts, status: 'running' };
      const { count } = await tx.backup.updateMany({ where, data: { ...data, leaseOwner: null, leaseUntil: null } });
      if (count === 1) await also(tx);
      return count === 1;
    });
  }
}

function storedManifest({ createdAt, files }: ArchiveManifest): StoredManifest {
  const bytes = files.reduce((sum, file) => sum + file.size, 0);
  return { createdAt, files: files.length, bytes, list: files.length > MOST_LISTED ? null : files };
}

const isUniqueViolation = (error: unknown): boolean =>
  JSON.stringify(error)?.includes('23505') || /23505/.test(String(error));
