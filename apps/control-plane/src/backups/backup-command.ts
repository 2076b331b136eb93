import { parseArgs } from 'node:util';
import { Injectable } from '@nestjs/common';
import { Database } from '#libs/database';
import { delay } from '#libs/kernel';
import { AdminBackupsService } from './admin-backups.service.js';
import { BackupKeyCommand } from './backup-key-command.js';
import { BackupDrill } from './backup-drill.js';
import { BackupVerifier } from './backup-verifier.js';
import { BackupsService } from './backups.service.js';
import { RestoresService } from './restores.service.js';
import { type Say, Usage } from './usage.js';

export const BACKUP_HELP = `Usage: npm run wirebot -- backup <command>

  list [--tenant <id or slug>] [--limit <n>]         newest first
  create --tenant <t> --member <external id>         back one agent up, and wait for it
  create --gateway <id>                              back every agent of a gateway up
  restore --tenant <t> --member <m> --backup <id>    make the agent what it was then, and wait for it
    --into <external id>                             another member's agent becomes a copy instead
    --skip-backup                                    do not back up what is there now first
  verify [--tenant <t>] [--remove-strays]            read every backup and compare every file; find objects without a row
  drill [--sample <n>]                               restore some into a folder that nobody uses, and open their databases
  rotate-key --tenant <t>                            encrypt to a new key from now on; the one before still reads
  export-key --tenant <t> --out <file>               the tenant's age identities, to open backups without Wirebot

verify and drill end with 1 when something is wrong.
`;

const ACTOR = 'system:command';
const POLL_MS = 200;
const CREATE_LIMIT_MS = 1_800_000;

/** The operator's side of backups. Running control planes do the work; this asks, waits and reads. */
@Injectable()
export class BackupCommand {
  constructor(
    private readonly database: Database,
    private readonly admin: AdminBackupsService,
    private readonly backups: BackupsService,
    private readonly restores: RestoresService,
    private readonly verifier: BackupVerifier,
    private readonly drills: BackupDrill,
    private readonly keys: BackupKeyCommand,
  ) {}

  /** The exit code. */
  async run(words: readonly string[], say: Say, signal: AbortSignal): Promise<number> {
    const [command, ...args] = words;
    if (command === 'list') return this.#list(args, say);
    if (command === 'create') return this.#create(args, say, signal);
    if (command === 'restore') return this.#restore(args, say, signal);
    if (command === 'verify') return this.#verify(args, say, signal);
    if (command === 'drill') return this.#drill(args, say, signal);
    if (command === 'rotate-key' || command === 'export-key') return this.keys.run(command, args, say);
    throw new Usage(`I do not know "${command ?? ''}".`);
  }

  async #list(args: readonly string[], say: Say): Promise<number> {
    const options = { tenant: { type: 'string' }, limit: { type: 'string', default: '50' } } as const;
    const { values } = parseArgs({ args: [...args], options });
    const tenantId = values.tenant && (await this.keys.tenantId(values.tenant));
    for (const row of await this.admin.list({ tenantId, limit: wholeNumber('--limit', values.limit) })) {
      const size = row.bytes === null ? '-' : `${(row.bytes / 1_048_576).toFixed(1)} MB`;
      const note = row.error ? `  ${row.error.code}` : '';
      say(
        `${row.id}  ${row.createdAt}  ${row.kind.padEnd(11)} ${row.status.padEnd(9)} ${size.padStart(9)}  ${row.agentId}${note}`,
      );
    }
    return 0;
  }

  async #create(args: readonly string[], say: Say, signal: AbortSignal): Promise<number> {
    const options = { tenant: { type: 'string' }, member: { type: 'string' }, gateway: { type: 'string' } } as const;
    const { values } = parseArgs({ args: [...args], options });
    const asked = values.gateway
      ? await this.admin.backUpGateway(values.gateway, ACTOR)
      : [await this.#createOne(values.tenant, values.member)];
    const ends = await Promise.all(asked.map(({ id }) => this.#backupEnded(id, signal)));
    for (const { id, status, error } of ends)
      say(`${id}  ${status}${status === 'failed' ? `: ${(error as { message?: string } | null)?.message ?? ''}` : ''}`);
    return ends.every(({ status }) => status === 'succeeded') ? 0 : 1;
  }

  async #createOne(tenant: string | undefined, externalId: string | undefined): Promise<{ readonly id: string }> {
    if (!tenant || !externalId) throw new Usage('create needs --tenant and --member, or --gateway.');
    const caller = { tenantId: await this.keys.tenantId(tenant), actor: ACTOR };
    return this.backups.request(caller, { externalId }, undefined);
  }

  async #restore(args: readonly string[], say: Say, signal: AbortSignal): Promise<number> {
    const text = { type: 'string' } as const;
    const options = {
      tenant: text,
      member: text,
      backup: text,
      into: text,
      'skip-backup': { type: 'boolean' },
    } as const;
    const { values } = parseArgs({ args: [...args], options });
    const { tenant, member: externalId, backup: backupId, into } = values;
    if (!tenant || !externalId || !backupId) throw new Usage('restore needs --tenant, --member and --backup.');
    const caller = { tenantId: await this.keys.tenantId(tenant), actor: ACTOR };
    const wish = { externalId, backupId, into, skipBackup: values['skip-backup'] };
    const { id } = await this.restores.request(caller, wish);
    const row = await this.#operationEnded(id, signal);
    const why = (row.error as { message?: string } | null)?.message;
    say(`${id}  ${row.status}${why ? `: ${why}` : ''}`);
    return row.status === 'succeeded' ? 0 : 1;
  }

  async #verify(args: readonly string[], say: Say, signal: AbortSignal): Promise<number> {
    const options = { tenant: { type: 'string' }, 'remove-strays': { type: 'boolean' } } as const;
    const { values } = parseArgs({ args: [...args], options });
    const tenantId = values.tenant && (await this.keys.tenantId(values.tenant));
    const { checked, bad, strays } = await this.verifier.verify({ tenantId }, signal);
    for (const { id, code, message } of bad) say(`${id}  ${code}: ${message}`);
    for (const { store, key, why, bytes } of strays) say(`no row: ${store} ${key} (${bytes} bytes, ${why})`);
    say(`${checked} backup(s) read, ${bad.length} bad, ${strays.length} object(s) without a row.`);
    if (!values['remove-strays']) return bad.length + strays.length === 0 ? 0 : 1;
    say(`${await this.verifier.removeStrays(strays, signal)} object(s) without a row removed.`);
    return bad.length === 0 ? 0 : 1;
  }

  async #drill(args: readonly string[], say: Say, signal: AbortSignal): Promise<number> {
    const options = { sample: { type: 'string', default: '3' } } as const;
    const size = wholeNumber('--sample', parseArgs({ args: [...args], options }).values.sample);
    let failed = 0;
    const rows = await this.drills.sample(size);
    for (const row of rows) {
      const { id, files, databases, problem } = await this.drills.run(row, signal);
      if (problem) failed += 1;
      const seen = databases.map(({ path, tables, rows: count }) => `${path}: ${tables} tables, ${count} rows`);
      say(problem ? `${id}  failed: ${problem}` : `${id}  ${files} file(s); ${seen.join('; ') || 'no database'}`);
    }
    say(`${rows.length} backup(s) restored on trial, ${failed} failed.`);
    return failed === 0 ? 0 : 1;
  }

  async #backupEnded(id: string, signal: AbortSignal) {
    return this.#until(signal, async () => {
      const row = await this.database.raw.backup.findUniqueOrThrow({ where: { id } });
      return row.finishedAt ? row : undefined;
    });
  }

  async #operationEnded(id: string, signal: AbortSignal) {
    return this.#until(signal, async () => {
      const row = await this.database.raw.operation.findUniqueOrThrow({ where: { id } });
      return row.finishedAt ? row : undefined;
    });
  }

  async #until<T>(signal: AbortSignal, look: () => Promise<T | undefined>): Promise<T> {
    const end = Date.now() + CREATE_LIMIT_MS;
    for (;;) {
      const found = await look();
      if (found) return found;
      if (Date.now() > end)
        throw new Usage('Nothing has come of it yet. Does a control plane with the role worker run?');
      await delay(POLL_MS, signal);
    }
  }
}

function wholeNumber(name: string, text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1 || value > 10_000)
    throw new Usage(`${name} takes a number from 1 to 10000.`);
  return value;
}
