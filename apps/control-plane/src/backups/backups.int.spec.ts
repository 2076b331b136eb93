import { randomBytes } from 'node:crypto';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { zstdDecompressSync } from 'node:zlib';
import { extract } from 'tar-stream';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Database, takeLeadership } from '#libs/database';
import { MembersService } from '../members/members.service.js';
import { BackupsService } from './backups.service.js';
import { BackupRetention } from './backup-retention.js';
import { BackupLab } from './testing/backup-lab.fixture.js';
import type { BackupView } from './backup-view.js';

let lab: BackupLab;

beforeAll(async () => {
  lab = await BackupLab.start({ WIREBOT_GATEWAY_PORTS: '19400-19439', WIREBOT_AGENTS_PER_GATEWAY: '10' });
  for (const name of ['ann', 'ben', 'cat']) await lab.plane.put(name, 'wire');
});
afterAll(() => lab.plane.dispose());

async function namesIn(tar: Buffer): Promise<string[]> {
  const entries = extract();
  Readable.from([tar]).pipe(entries);
  const names: string[] = [];
  for await (const entry of entries) {
    names.push(entry.header.name);
    await buffer(Readable.from(entry));
  }
  return names;
}

describe('a backup that is asked for', () => {
  it('is made of the agent at work, encrypted, and can be taken home', async () => {
    const note = randomBytes(200_000);
    await lab.write('ann', 'workspace/note.bin', note);
    const backup = await lab.backUp('ann');
    expect(backup).toMatchObject({ kind: 'manual', status: 'succeeded', error: null, expiresAt: null });
    expect(backup.content!.files).toBeGreaterThan(0);
    const [object] = await lab.objects();
    const stored = await readFile(lab.objectPath(object!));
    expect([stored.length, stored.includes(note.subarray(0, 64))]).toEqual([backup.bytes, false]);

    const home = await lab.call('GET', `/v1/members/ann/backups/${backup.id}/archive`);
    expect([home.status, home.headers['content-type']]).toEqual([200, 'application/zstd']);
    const tar = zstdDecompressSync(home.raw);
    expect([tar.includes(note), (await namesIn(tar)).at(-1)]).toEqual([true, 'manifest.json']);
    const lines = await lab.plane.database.query<{ action: string }>(
      `SELECT action FROM audit_entries WHERE resource_id = $1 ORDER BY seq`,
      [backup.id],
    );
    expect(lines.map(({ action }) => action)).toEqual(['backup.create', 'backup.download']);
  });

  it('is one, however often it is asked for meanwhile', async () => {
    const asked = await Promise.all(
      Array.from({ length: 4 }, () => lab.call<BackupView>('POST', '/v1/members/ben/backups', {})),
    );
    expect(new Set(asked.map(({ body }) => body.id)).size).toBe(1);
    await lab.backupEnded('ben', asked[0]!.body.id);
  });

  it('is gone, object and row, once it is deleted', async () => {
    const backup = await lab.backUp('ben');
    expect((await lab.call('DELETE', `/v1/members/ben/backups/${backup.id}`)).status).toBe(204);
    expect((await lab.call('GET', `/v1/members/ben/backups/${backup.id}`)).status).toBe(404);
    await lab.until(async () => ((await lab.objects()).some((key) => key.includes(backup.id)) ? undefined : true));
    await lab.until(async () => {
      const rows = await lab.plane.database.query('SELECT 1 FROM backups WHERE id = $1', [backup.id]);
      return rows.length === 0 || undefined;
    });
  });

  it('refuses what makes no sense', async () => {
    const url = '/v1/members/ann/backups';
    expect((await lab.call('POST', url, { keepDays: 0 })).status).toBe(400);
    expect((await lab.call('GET', `${url}?cursor=nonsense`)).status).toBe(400);
    expect((await lab.call('POST', `${url}/bak_none/restore`, { into: 3 })).status).toBe(400);
    expect(await lab.call('GET', '/v1/members/nobody/backups')).toMatchObject({
      status: 404,
      body: { code: 'member-not-found' },
    });
    expect(await lab.call('POST', `${url}/bak_none/restore`, {})).toMatchObject({
      status: 404,
      body: { code: 'backup-not-found' },
    });
  });

  it('of another member of the tenant is not there', async () => {
    const { items } = (await lab.call<{ items: BackupView[] }>('GET', '/v1/members/ann/backups')).body;
    expect((await lab.call('GET', `/v1/members/ben/backups/${items[0]!.id}`)).status).toBe(404);
    expect((await lab.call('DELETE', `/v1/members/ben/backups/${items[0]!.id}`)).status).toBe(404);
  });
});

describe('what a member takes home', () => {
  it('is nobody else’s: not while another one is in the workspace, and not after', async () => {
    const { id } = await lab.backUp('ben');
    const { tenantId } = lab.plane;
    const people = await lab.plane.database.query<{ name: string; member: string; workspace: string }>(
      `SELECT m.external_id AS name, m.id AS member, a.workspace_id AS workspace FROM members m JOIN agents a ON a.member_id = m.id`,
    );
    const [ben, cat] = ['ben', 'cat'].map((name) => people.find((one) => one.name === name)!);
    const take = async () => {
      const caller = { tenantId, actor: `member:${ben!.member}` };
      const begin = () => new AbortController().signal;
      const own = { memberId: ben!.member };
      return buffer(await lab.plane.app.get(BackupsService, { strict: false }).download(caller, own, id, begin));
    };
    expect((await take()).length).toBeGreaterThan(0);
    // One that is not read keeps its place; those of others stay free.
    const caller = { tenantId, actor: `member:${ben!.member}` };
    const left = new AbortController();
    const service = lab.plane.app.get(BackupsService, { strict: false });
    const open = () => service.download(caller, { memberId: ben!.member }, id, () => left.signal);
    await Promise.all([open(), open()]);
    await expect(open()).rejects.toMatchObject({ code: 'too-many-downloads' });
    left.abort();
    await lab.until(() => take().catch(() => undefined));
    const place = `/v1/workspaces/${ben!.workspace}/members/${cat!.member}`;
    expect((await lab.call('PUT', place, { role: 'guest' })).status).toBeLessThan(300);
    await expect(take()).rejects.toMatchObject({ code: 'backup-shared' });
    expect((await lab.call('DELETE', place)).status).toBe(204);
    await expect(take()).rejects.toMatchObject({ code: 'backup-shared' });
  });
});

describe('a restore', () => {
  it('in place brings back what was there, keeps what is there now, and ends with the agent answering', async () => {
    await lab.write('ann', 'workspace/plan.md', 'the old plan');
    const backup = await lab.backUp('ann');
    await lab.write('ann', 'workspace/plan.md', 'a new plan');
    await lab.write('ann', 'workspace/later.md', 'written later');
    const done = await lab.restore('ann', backup.id);
    expect(done).toMatchObject({ kind: 'restore', status: 'succeeded', progress: 1 });
    expect(done.steps.map(({ name }) => name)).toEqual([
      'start-gateway',
      'check',
      'back-up',
      'quiesce',
      'import',
      'attach',
      'publish-route',
    ]);
    expect(String(await lab.read('ann', 'workspace/plan.md'))).toBe('the old plan');
    expect(await lab.read('ann', 'workspace/later.md')).toBeUndefined();
    expect(await lab.agentOf('ann')).toMatchObject({ phase: 'ready', restoreBackupId: null });

    const { items } = (await lab.call<{ items: BackupView[] }>('GET', '/v1/members/ann/backups')).body;
    const before = items.find(({ kind }) => kind === 'pre-restore')!;
    expect(before).toMatchObject({ status: 'succeeded', expiresAt: expect.any(String) });
    expect(await lab.restore('ann', before.id, { skipBackup: true })).toMatchObject({ status: 'succeeded' });
    expect(String(await lab.read('ann', 'workspace/later.md'))).toBe('written later');
  });

  it('into another member’s agent makes it a copy, and leaves the first as it is', async () => {
    await lab.write('ann', 'workspace/own.md', 'of ann');
    const backup = await lab.backUp('ann');
    const done = await lab.restore('ann', backup.id, { into: 'cat' });
    expect(done).toMatchObject({ status: 'succeeded' });
    expect(String(await lab.read('cat', 'workspace/own.md'))).toBe('of ann');
    expect(String(await lab.read('ann', 'workspace/own.md'))).toBe('of ann');
  });

  it.each(['flipped', 'cut', 'gone'])(
    'from a backup that is %s fails with the reason and leaves the agent as it was',
    async (how) => {
      await lab.write('ben', 'workspace/plan.md', 'before');
      const backup = await lab.backUp('ben');
      await lab.write('ben', 'workspace/plan.md', 'after');
      const path = lab.objectPath((await lab.objects()).find((key) => key.includes(backup.id))!);
      const object = await readFile(path);
      if (how === 'gone') await rm(path);
      else if (how === 'cut') await writeFile(path, object.subarray(0, -20));
      else await writeFile(path, object.with(object.length >> 1, object[object.length >> 1]! ^ 1));
      const failed = await lab.restore('ben', backup.id);
      const code = how === 'gone' ? 'backup-object-missing' : 'backup-damaged';
      expect(failed).toMatchObject({ status: 'failed', error: { code } });
      expect(failed.steps.find(({ status }) => status === 'failed')?.name).toBe('check');
      expect(String(await lab.read('ben', 'workspace/plan.md'))).toBe('after');
      await lab.until(async () => ((await lab.agentOf('ben')).phase === 'ready' ? true : undefined));
      const seen = await lab.call<{ good: boolean }>(
        'POST',
        `/v1/admin/backups/${backup.id}/verify`,
        {},
        lab.operatorKey,
      );
      expect(seen).toMatchObject({ status: 200, body: { good: false, problem: { code } } });
    },
  );

  it('of a member who is out of service, or twice at a time, is refused', async () => {
    const backup = await lab.backUp('cat');
    const members = lab.plane.app.get(MembersService);
    const paused = await members.act(lab.plane.caller, 'cat', 'pause');
    await lab.plane.ended(paused.operation!.id);
    const url = `/v1/members/cat/backups/${backup.id}/restore`;
    expect(await lab.call('POST', url, {})).toMatchObject({ status: 409, body: { code: 'agent-cannot-restore' } });
    const resumed = await members.act(lab.plane.caller, 'cat', 'resume');
    await lab.plane.ended(resumed.operation!.id);
    const answers = await Promise.all([lab.call('POST', url, {}), lab.call('POST', url, {})]);
    expect(answers.map(({ status }) => status).toSorted()).toEqual([202, 409]);
    await lab.until(async () => ((await lab.agentOf('cat')).restoreBackupId === null ? true : undefined));
  });
});

describe('operators', () => {
  it('see backups of every tenant, check one, and back a whole gateway up', async () => {
    const list = await lab.call<{ items: { id: string; tenantId: string }[] }>(
      'GET',
      '/v1/admin/backups?status=succeeded&limit=2',
      undefined,
      lab.operatorKey,
    );
    expect(list.body.items).toHaveLength(2);
    expect(list.body.items[0]!.tenantId).toBe(lab.plane.tenantId);
    const { id } = await lab.backUp('ann');
    const checked = await lab.call('POST', `/v1/admin/backups/${id}/verify`, {}, lab.operatorKey);
    expect(checked).toMatchObject({
      status: 200,
      body: { good: true, problem: null, backup: { verifiedAt: expect.any(String) } },
    });
    const { gatewayId } = await lab.agentOf('ann');
    const all = await lab.call<{ backups: BackupView[] }>(
      'POST',
      `/v1/admin/gateways/${gatewayId}/backup`,
      {},
      lab.operatorKey,
    );
    expect([all.status, all.body.backups.length]).toEqual([202, 3]);
    for (const { id: each } of all.body.backups)
      await lab.until(async () => {
        const found = await lab.plane.database.query(`SELECT 1 FROM backups WHERE id = $1 AND status = 'succeeded'`, [
          each,
        ]);
        return found.length > 0 || undefined;
      });
  });
});

describe('an export of a member', () => {
  it('comes with a fresh archive of the agent', async () => {
    const note = randomBytes(5_000);
    await lab.write('ben', 'workspace/mine.bin', note);
    const asked = await lab.call<{ operation: { id: string } }>('POST', '/v1/members/ben/export', {});
    const { status, result } = await lab.plane.ended(asked.body.operation.id);
    expect(status).toBe('succeeded');
    const document = await lab.call<{ agents: { archive: { url: string } }[] }>(
      'GET',
      new URL(String(result!['url'])).pathname,
    );
    const archive = await lab.call('GET', new URL(document.body.agents[0]!.archive.url).pathname);
    expect([archive.status, zstdDecompressSync(archive.raw).includes(note)]).toEqual([200, true]);
  });
});

describe('backups whose time is over', () => {
  it('go, but for the last good one of an agent', async () => {
    const [first, last] = [await lab.backUp('cat'), await lab.backUp('cat')];
    await lab.plane.database.query(`UPDATE backups SET expires_at = now() - interval '1 day' WHERE agent_id = $1`, [
      first.agentId,
    ]);
    const database = lab.plane.app.get(Database);
    const lead = (await takeLeadership(database, 'backups-in-a-test', 'test', 60))!;
    expect(await lab.plane.app.get(BackupRetention, { strict: false }).expire(lead)).toBeGreaterThan(0);
    await lab.until(async () => {
      const rows = await lab.plane.database.query<{ id: string }>('SELECT id FROM backups WHERE agent_id = $1', [
        first.agentId,
      ]);
      return (rows.length === 1 && rows[0]!.id === last.id) || undefined;
    });
    expect((await lab.objects()).filter((key) => key.includes(first.agentId))).toEqual([
      expect.stringContaining(last.id),
    ]);
  });
});

describe('erasing a member', () => {
  it('deletes every backup, objects and rows, before it has succeeded', async () => {
    await lab.plane.put('eve', 'wire');
    await lab.write('eve', 'workspace/x', 'x');
    await lab.backUp('eve');
    const { id } = await lab.agentOf('eve');
    expect((await lab.objects()).some((key) => key.includes(id))).toBe(true);
    const erased = await lab.plane.app.get(MembersService).act(lab.plane.caller, 'eve', 'erase');
    expect(await lab.plane.ended(erased.operation!.id)).toMatchObject({ status: 'succeeded' });
    expect((await lab.objects()).some((key) => key.includes(id))).toBe(false);
    expect(await lab.plane.database.query('SELECT 1 FROM backups WHERE agent_id = $1', [id])).toEqual([]);
  });
});
