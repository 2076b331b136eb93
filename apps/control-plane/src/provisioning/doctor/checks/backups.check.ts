import { Injectable } from '@nestjs/common';
import { Database, type Prisma } from '#libs/database';
import { BackupStores } from '../../../backups/backup-stores.js';
import { DoctorCheck, type Examination, type Symptom } from '../check.js';

type Backup = Prisma.BackupGetPayload<{ select: typeof LOOKED_AT }>;

const LOOKED_AT = { id: true, agentId: true, store: true, objectKey: true, bytes: true } as const;
/** The newest ones; all of them are read by `wirebot backup verify`. */
const MOST = 200;
/** Objects asked for at the same time. */
const TOGETHER = 8;

/** What counts as a backup is in its store. */
@Injectable()
export class BackupsCheck extends DoctorCheck {
  readonly name = 'backup-missing';
  readonly fine = `the newest backups (up to ${MOST}) are in their stores`;

  constructor(
    private readonly database: Database,
    private readonly stores: BackupStores,
  ) {
    super();
  }

  async look(_examination: Examination, signal: AbortSignal): Promise<Symptom[]> {
    const rows = await this.database.once((client) =>
      client.backup.findMany({
        where: { status: 'succeeded' },
        orderBy: { createdAt: 'desc' },
        take: MOST,
        select: LOOKED_AT,
      }),
    );
    const found: Symptom[] = [];
    for (let from = 0; from < rows.length; from += TOGETHER)
      found.push(...(await Promise.all(rows.slice(from, from + TOGETHER).map((row) => this.#of(row, signal)))).flat());
    return found;
  }

  async #of({ id, agentId, store, objectKey, bytes }: Backup, signal: AbortSignal): Promise<Symptom[]> {
    const object = await (await this.stores.of(store)).stat(objectKey, signal);
    if (object && (bytes === null || BigInt(object.bytes) === bytes)) return [];
    const how = object ? `has ${object.bytes} bytes there instead of ${bytes}` : 'is not there';
    return [
      {
        severity: 'broken',
        subject: `backup ${id}`,
        message: `It is said to be in the store "${store}", but ${how}. The agent ${agentId} cannot be restored from it.`,
        remedy: `Bring the store back to what it was, or make a new backup of ${agentId} now and delete this one.`,
      },
    ];
  }
}
