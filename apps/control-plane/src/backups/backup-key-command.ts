import { writeFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { Injectable } from '@nestjs/common';
import { Database } from '#libs/database';
import { AuditLog } from '../audit/audit-log.js';
import { type Say, Usage } from './usage.js';
import { BackupKeys } from './backup-keys.js';

const ACTOR = 'system:command';

/** Keys of backups: renewed, or handed to whoever keeps them apart from the installation. */
@Injectable()
export class BackupKeyCommand {
  constructor(
    private readonly database: Database,
    private readonly keys: BackupKeys,
    private readonly audit: AuditLog,
  ) {}

  async run(command: 'rotate-key' | 'export-key', args: readonly string[], say: Say): Promise<number> {
    const options = { tenant: { type: 'string' }, out: { type: 'string' } } as const;
    const { tenant, out } = parseArgs({ args: [...args], options }).values;
    if (!tenant) throw new Usage(`${command} needs --tenant.`);
    const tenantId = await this.tenantId(tenant);
    if (command === 'rotate-key') {
      const { id, recipient } = await this.keys.rotate(tenantId);
      await this.#record(tenantId, 'backup-key.rotate', id);
      say(`Backups are encrypted to ${recipient} from now on. Older ones stay readable.`);
      return 0;
    }
    if (!out) throw new Usage('export-key needs --out <file>: a key is not for a screen.');
    const identities = await this.keys.identities(tenantId);
    // `wx`: what is there already is not overwritten, and nobody else reads it.
    await writeFile(out, `${identities.join('\n')}\n`, { mode: 0o600, flag: 'wx' });
    await this.#record(tenantId, 'backup-key.export', tenantId);
    say(`${identities.length} identity(ies) in ${out}. Open a backup: age -d -i ${out} <object> | zstd -d | tar x`);
    return 0;
  }

  async tenantId(named: string): Promise<string> {
    const where = { OR: [{ id: named }, { slug: named }] };
    const tenant = await this.database.raw.tenant.findFirst({ where, select: { id: true } });
    if (!tenant) throw new Usage(`There is no tenant "${named}".`);
    return tenant.id;
  }

  async #record(tenantId: string, action: string, resourceId: string): Promise<void> {
    const line = { tenantId, actor: ACTOR, action, resource: 'backup-key', resourceId, data: {} };
    await this.database.system((tx) => this.audit.record(tx, line));
  }
}
