import { randomBytes } from 'node:crypto';
import { mkdir, readdir, rm, utimes, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { OperationView, TokenView } from '#libs/contracts';
import { Database } from '#libs/database';
import { GatewayRuntime } from '#libs/runtimes/core';
import { StepObserver } from '../provisioning/steps.js';
import { BackupArchives } from './backup-archives.js';
import { BackupDrill } from './backup-drill.js';
import { ControlPlaneConfig } from '#libs/config';
import { BackupRetention } from './backup-retention.js';
import { BackupSchedule } from './backup-schedule.js';
import { BackupsRepository } from './backups.repository.js';
import { BackupLab } from './testing/backup-lab.fixture.js';
import type { BackupView } from './backup-view.js';

let lab: BackupLab;
/** Passes that die right after the import, before their row says so. */
let kills = 0;

function breakable(app: NestFastifyApplication): void {
  app.get(StepObserver, { strict: false }).reached = (_kind, _phase, step) => {
    if (step !== 'imported' || kills === 0) return;
    kills -= 1;
    throw new Error('killed');
  };
}

beforeAll(async () => {
  const environment = { WIREBOT_GATEWAY_PORTS: '19460-19489', WIREBOT_AGENTS_PER_GATEWAY: '2' };
  lab = await BackupLab.start(environment, breakable);
});
afterAll(() => lab.plane.dispose());

const part = <T>(type: abstract new (...args: never[]) => T): T =>
  lab.plane.app.get<T>(type as never, { strict: false });

interface Talk {
  readonly answered: string[];
  stop(): Promise<void>;
}

/** A member who goes on talking to the agent, over its gateway's own address. */
async function talkTo(externalId: string): Promise<Talk> {
  const { token } = (await lab.call<TokenView>('POST', '/v1/tokens', { member: externalId, surface: 'web' })).body;
  const { gatewayId } = await lab.agentOf(externalId);
  const [row] = await lab.plane.database.query<{ address: { host: string; port: number } }>(
    'SELECT address FROM gateways WHERE id = $1',
    [gatewayId],
  );
  const { host, port } = row!.address;
  const answered: string[] = [];
  const stop = new AbortController();
  const talk = async (): Promise<void> => {
    while (!stop.signal.aborted) {
      const idempotencyKey = randomBytes(12).toString('hex');
      const headers = {
        authorization: `Bearer ${token}`,
        'content-type': 'application/json',
        accept: 'text/event-stream',
      };
      const body = JSON.stringify({ text: `message ${idempotencyKey}`, idempotencyKey });
      const answer = await fetch(`http://${host}:${port}/chat`, { method: 'POST', headers, body });
      const text = await answer.text();
      if (text.includes('"accepted"')) answered.push(idempotencyKey);
    }
  };
  const talking = Promise.all([talk(), talk(), talk()]);
  return {
    answered,
    stop: async () => {
      stop.abort();
      await talking;
    },
  };
}

describe('a backup under load', () => {
  it('is a database of one moment, with every message that was accepted before it, and restores byte for byte', async () => {
    await lab.plane.put('ann', 'wire');
    const file = randomBytes(3_000_000);
    await lab.write('ann', 'workspace/large.bin', file);
    const talk = await talkTo('ann');
    await lab.until(async () => (talk.answered.length >= 10 ? true : undefined));
    const before = [...talk.answered];
    const backup = await lab.backUp('ann');
    await talk.stop();
    expect(backup).toMatchObject({ status: 'succeeded' });
    expect(talk.answered.length).toBeGreaterThan(before.length);

    await rm(join(await lab.folderOf('ann'), 'workspace', 'large.bin'));
    expect(await lab.restore('ann', backup.id)).toMatchObject({ status: 'succeeded' });
    expect((await lab.read('ann', 'workspace/large.bin'))!.equals(file)).toBe(true);
    const db = new DatabaseSync(join(await lab.folderOf('ann'), 'agent.db'), { readOnly: true });
    const sound = db.prepare('PRAGMA integrity_check').all();
    const tables = db.prepare(`SELECT name FROM sqlite_schema WHERE type = 'table'`).all() as { name: string }[];
    const text = JSON.stringify(
      tables.map(({ name }) => db.prepare(`SELECT * FROM "${name}"`).all()),
      (_, value: unknown) => (typeof value === 'bigint' ? String(value) : value),
    );
    db.close();
    expect(sound).toEqual([{ integrity_check: 'ok' }]);
    expect(before.filter((key) => !text.includes(key))).toEqual([]);
  });
});

describe('a restore', () => {
  it('whose process dies right after the import is done again, and ends the same', async () => {
    await lab.plane.put('ben', 'wire');
    await lab.write('ben', 'workspace/plan.md', 'old');
    const backup = await lab.backUp('ben');
    await lab.write('ben', 'workspace/plan.md', 'new');
    kills = 2;
    expect(await lab.restore('ben', backup.id)).toMatchObject({ status: 'succeeded' });
    expect([kills, String(await lab.read('ben', 'workspace/plan.md'))]).toEqual([0, 'old']);
  });

  it('that the gateway refuses in the middle leaves the agent as it was, answering', async () => {
    await lab.write('ben', 'workspace/plan.md', 'as it was');
    const backup = await lab.backUp('ben');
    await lab.write('ben', 'workspace/plan.md', 'as it is');
    const archives = part(BackupArchives);
    const open = archives.open.bind(archives);
    // The check before has found it right; what is read for the import is not.
    archives.open = async (row, signal) => {
      const opened = await open({ ...row, sha256: '0'.repeat(64) }, signal);
      return opened;
    };
    const failed = await lab.restore('ben', backup.id);
    archives.open = open;
    expect(failed).toMatchObject({ status: 'failed', error: { code: 'backup-damaged' } });
    expect(failed.steps.find(({ status }) => status === 'failed')?.name).toBe('import');
    await lab.until(async () => ((await lab.agentOf('ben')).phase === 'ready' ? true : undefined));
    expect(String(await lab.read('ben', 'workspace/plan.md'))).toBe('as it is');
    const talk = await talkTo('ben');
    await lab.until(async () => (talk.answered.length > 0 ? true : undefined));
    await talk.stop();
  });

  it('is called off by a pause, and what is there stays', async () => {
    await lab.write('ben', 'workspace/plan.md', 'one');
    const backup = await lab.backUp('ben');
    await lab.write('ben', 'workspace/plan.md', 'two');
    const runtime = part(GatewayRuntime);
    const snapshot = runtime.snapshotAgent.bind(runtime);
    runtime.snapshotAgent = () => Promise.reject(new Error('not now'));
    const asked = await lab.call<{ operation: OperationView }>(
      'POST',
      `/v1/members/ben/backups/${backup.id}/restore`,
      {},
    );
    const paused = await lab.call<{ operation: OperationView }>('POST', '/v1/members/ben/pause', {});
    await lab.plane.ended(paused.body.operation.id);
    runtime.snapshotAgent = snapshot;
    expect(await lab.plane.ended(asked.body.operation.id)).toMatchObject({ status: 'cancelled' });
    const resumed = await lab.call<{ operation: OperationView }>('POST', '/v1/members/ben/resume', {});
    await lab.plane.ended(resumed.body.operation.id);
    await lab.until(async () => ((await lab.agentOf('ben')).restoreBackupId === null ? true : undefined));
    expect(String(await lab.read('ben', 'workspace/plan.md'))).toBe('two');
  });
});

describe('an agent whose folder is gone with its host', () => {
  it('begins elsewhere from its newest good backup, and from an older one when that is damaged', async () => {
    await lab.plane.put('cat', 'wire');
    await lab.write('cat', 'workspace/plan.md', 'older');
    const older = await lab.backUp('cat');
    await lab.write('cat', 'workspace/plan.md', 'newer');
    const newer = await lab.backUp('cat');
    const key = (await lab.objects()).find((object) => object.includes(newer.id))!;
    await rm(lab.objectPath(key));
    const { id, gatewayId } = await lab.agentOf('cat');
    // As the host watch leaves it: the gateway with its folder is gone, and the agent is to begin elsewhere.
    await lab.plane.database.query(
      `WITH gone AS (UPDATE gateways SET desired_state = 'deleted', due_at = now() WHERE id = $3)
       UPDATE agents SET phase = 'placing', gateway_id = NULL, attached_to = NULL, attached_generation = NULL,
         restore_backup_id = $2, due_at = now() WHERE id = $1`,
      [id, newer.id, gatewayId],
    );
    await lab.until(async () => {
      const agent = await lab.agentOf('cat');
      return agent.phase === 'ready' && agent.restoreBackupId === null ? true : undefined;
    });
    expect(String(await lab.read('cat', 'workspace/plan.md'))).toBe('older');
    const [row] = await lab.plane.database.query<{ conditions: { type: string; status: boolean; message: string }[] }>(
      'SELECT conditions FROM agents WHERE id = $1',
      [id],
    );
    const restored = row!.conditions.find(({ type }) => type === 'Restored');
    expect([restored?.status, restored?.message.includes(older.id)]).toEqual([true, true]);
  });
});

describe('a drill', () => {
  it('restores a backup into a folder that nobody uses, opens its database, and leaves nothing', async () => {
    const backup = await lab.backUp('ann');
    const drill = new BackupDrill(part(Database), part(BackupArchives), part(ControlPlaneConfig));
    expect((await drill.sample(10)).length).toBeGreaterThan(1);
    const row = (await part(BackupsRepository).findAny(backup.id))!;
    const result = await drill.run(row, new AbortController().signal);
    expect(result).toMatchObject({ id: backup.id, problem: null, databases: [{ path: 'agent.db' }] });
    expect(result.databases[0]!.rows).toBeGreaterThan(0);
    const damaged = await drill.run({ ...row, sha256: '0'.repeat(64) }, new AbortController().signal);
    expect(damaged.problem).toMatch(/damaged: its checksum differs/);
    expect(await readdir(join(part(ControlPlaneConfig).dataDir, 'drills'))).toEqual([]);
  });
});

describe('a drill that was killed', () => {
  it('leaves its folder, in clear, for a day at most', async () => {
    const drills = join(part(ControlPlaneConfig).dataDir, 'drills');
    const [left, running] = [join(drills, 'bak_left-1'), join(drills, 'bak_running-1')];
    for (const folder of [left, running]) await mkdir(folder, { recursive: true });
    await writeFile(join(left, 'agent.db'), 'what a member said');
    const longAgo = new Date(Date.now() - 25 * 3_600_000);
    await utimes(left, longAgo, longAgo);
    await part(BackupRetention).tidyStores(new AbortController().signal);
    expect(await readdir(drills)).toEqual(['bak_running-1']);
    await rm(running, { recursive: true });
  });
});

describe('a full store', () => {
  it('fails a backup with the reason and leaves nothing of it', async () => {
    const config = part(ControlPlaneConfig);
    expect(dirname(config.backups.directory)).toBe(config.dataDir);
    const store = await import('#libs/backup').then(({ openLocalStore }) =>
      openLocalStore(config.backups.directory, Number.MAX_SAFE_INTEGER),
    );
    const archives = part(BackupArchives) as unknown as { stores: { of: () => Promise<unknown> } };
    const of = archives.stores.of.bind(archives.stores);
    archives.stores.of = () => Promise.resolve(store);
    const { body } = await lab.call<BackupView>('POST', '/v1/members/ann/backups', {});
    const waiting = await lab.until(async () => {
      const seen = await lab.call<BackupView>('GET', `/v1/members/ann/backups/${body.id}`);
      return seen.body.error ? seen.body : undefined;
    });
    expect(waiting).toMatchObject({ status: 'pending', error: { code: 'backup-store-full' } });
    expect((await lab.objects()).some((key) => key.includes(body.id))).toBe(false);
    archives.stores.of = of;
    expect(await lab.backupEnded('ann', body.id)).toMatchObject({ status: 'succeeded', error: null });
  });
});

describe('the schedule of a tier', () => {
  it('is due once in each slot, at a minute of the agent’s own, and not for an agent with nothing new', async () => {
    const schedule = part(BackupSchedule);
    const { id, gatewayId } = await lab.agentOf('ben');
    const of = () => part(Database).system((tx) => schedule.of(tx, id));
    const seen = (await of())!;
    expect(seen).toMatchObject({ everyHours: 24, keepDays: 7 });
    expect(seen.nextSlot.getTime() - seen.slot.getTime()).toBe(86_400_000);
    const due = async () => (await schedule.due()).some(({ agentId }) => agentId === id);
    const age = (days: number) =>
      lab.plane.database.query(
        `UPDATE backups SET created_at = now() - make_interval(days => $2) WHERE agent_id = $1`,
        [id, days],
      );
    await lab.plane.database.query(`UPDATE agents SET created_at = now() - interval '9 days' WHERE id = $1`, [id]);
    await lab.plane.database.query('UPDATE gateways SET idle_since = NULL WHERE id = $1', [gatewayId]);
    expect(await due()).toBe(false);
    await age(3);
    expect(await due()).toBe(true);
    await lab.plane.database.query(`UPDATE gateways SET idle_since = now() - interval '5 days' WHERE id = $1`, [
      gatewayId,
    ]);
    expect([await due(), (await of())!.nothingNew]).toEqual([false, true]);
  });
});
