import { randomBytes } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { text } from 'node:stream/consumers';
import { ModuleRef } from '@nestjs/core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Database } from '#libs/database';
import { freshDatabase } from '#libs/testing';
import { HttpEdgeModule } from '../http/http-edge.module.js';
import { startTestApp, type TestApp } from '../http/test-app.fixture.js';
import { ApiKeysService } from '../identity/api-keys.service.js';
import { IdentityModule } from '../identity/identity.module.js';
import { AuditCommand, Usage } from './audit-command.js';
import { exportStream } from './audit-export.js';
import { AuditLog } from './audit-log.js';
import type { AuditEntryView } from './audit.repository.js';
import { AuditModule } from './audit.module.js';
import { AuditVerificationService } from './audit-verification.service.js';

let test: TestApp;
let one: { tenantId: string; key: string };
let two: { tenantId: string; key: string };
let operator: string;

const get = (url: string, key: string | undefined = one.key) =>
  test.app.inject({ method: 'GET', url, headers: key === '' ? {} : { authorization: `Bearer ${key}` } });
const post = (url: string, key: string, payload: object) =>
  test.app.inject({ method: 'POST', url, headers: { authorization: `Bearer ${key}` }, payload });
const itemsOf = async (url: string, key?: string) => (await get(url, key)).json<{ items: AuditEntryView[] }>().items;

async function record(tenantId: string | null, action: string, more: object = {}): Promise<void> {
  const about = { actor: 'key:key_1', resource: action.split('.')[0]!, resourceId: 'x_1', data: {} };
  const line = { ...about, tenantId, action, ...more };
  await test.app.get(Database).system((tx) => test.app.get(AuditLog, { strict: false }).record(tx, line));
}

beforeAll(async () => {
  test = await startTestApp(await freshDatabase(), [HttpEdgeModule, IdentityModule, AuditModule]);
  one = await test.seedTenant('one', ['audit:read']);
  two = await test.seedTenant('two');
  operator = (await test.app.get(ApiKeysService).issue({ tenantId: null, name: 'ops', scopes: ['audit:read'] })).key;
  await record(one.tenantId, 'member.provision', { resourceId: 'mem_1', requestId: 'request-1' });
  test.clock.advance(60_000);
  await record(one.tenantId, 'member.pause', { resourceId: 'mem_1', actor: 'user:usr_1' });
  test.clock.advance(60_000);
  await record(one.tenantId, 'memberx.pause', { resourceId: 'mem_2', data: { note: '=1+1' } });
  await record(two.tenantId, 'tenant.create');
  await record(null, 'user.create', { resourceId: 'usr_1' });
});
afterAll(() => test.close());

describe('GET /v1/audit', () => {
  it('lists a tenant’s own lines, newest first, with everything that proves them', async () => {
    const items = await itemsOf('/v1/audit');
    expect(items.map((item) => item.action)).toEqual(['memberx.pause', 'member.pause', 'member.provision']);
    expect(items[2]).toEqual({
      id: expect.stringMatching(/^aud_/),
      tenantId: one.tenantId,
      seq: 1,
      at: expect.stringMatching(/Z$/),
      actor: 'key:key_1',
      action: 'member.provision',
      resource: 'member',
      resourceId: 'mem_1',
      data: {},
      origin: {},
      requestId: 'request-1',
      hash: expect.stringMatching(/^[0-9a-f]{64}$/),
    });
  });

  it.each([
    ['actor=user:usr_1', ['member.pause']],
    ['action=member.', ['member.pause', 'member.provision']],
    ['action=member.pause', ['member.pause']],
    ['action=m', ['memberx.pause', 'member.pause', 'member.provision']],
    ['resource=memberx', ['memberx.pause']],
    ['resourceId=mem_1', ['member.pause', 'member.provision']],
    ['requestId=request-1', ['member.provision']],
    ['resourceId=mem_1&actor=key:key_1', ['member.provision']],
    ['actor=nobody', []],
  ])('filters by %s', async (filter, actions) => {
    expect((await itemsOf(`/v1/audit?${filter}`)).map((item) => item.action)).toEqual(actions);
  });

  it('filters by time, the end excluded', async () => {
    const [third, second] = await itemsOf('/v1/audit');
    expect(await itemsOf(`/v1/audit?from=${second!.at}`)).toHaveLength(2);
    expect(await itemsOf(`/v1/audit?to=${second!.at}`)).toHaveLength(1);
    expect(await itemsOf(`/v1/audit?from=${second!.at}&to=${third!.at}`)).toEqual([second]);
  });

  it('pages without losing or repeating a line', async () => {
    const seen: number[] = [];
    for (let cursor = ''; ;) {
      const page = (await get(`/v1/audit?limit=1${cursor}`)).json<{
        items: AuditEntryView[];
        nextCursor: string | null;
      }>();
      seen.push(...page.items.map((item) => item.seq));
      if (page.nextCursor === null) break;
      cursor = `&cursor=${page.nextCursor}`;
    }
    expect(seen).toEqual([3, 2, 1]);
  });

  it.each([
    ['action=%25', 'action'],
    ['from=yesterday', 'from'],
    ['cursor=x', 'cursor'],
    [`cursor=${Buffer.from('["aud_1"]').toString('base64url')}`, 'cursor'],
    ['limit=1000', 'limit'],
    ['tenantId=ten_2', 'tenantId'],
  ])('refuses %s by name', async (query, field) => {
    const answer = await get(`/v1/audit?${query}`);
    expect(answer.statusCode).toBe(400);
    expect(answer.json<{ errors: { field: string }[] }>().errors.map((error) => error.field)).toEqual([field]);
  });

  it('is for keys with audit:read', async () => {
    const narrow = await test.app
      .get(ApiKeysService)
      .issue({ tenantId: one.tenantId, name: 'narrow', scopes: ['members:read'] });
    for (const path of ['', '/export', '/verify']) {
      expect((await get(`/v1/audit${path}`, '')).statusCode).toBe(401);
      expect((await get(`/v1/audit${path}`, narrow.key)).statusCode).toBe(403);
      expect((await get(`/v1/admin/audit${path}`, one.key)).statusCode).toBe(path === '/verify' ? 404 : 403);
    }
    expect((await post('/v1/admin/audit/verify', one.key, { tenantId: one.tenantId })).statusCode).toBe(403);
  });
});

describe('GET /v1/admin/audit', () => {
  it('lists every chain for operators, or one', async () => {
    const all = await itemsOf('/v1/admin/audit', operator);
    expect(all.map((item) => item.action)).toEqual(
      expect.arrayContaining(['user.create', 'tenant.create', 'member.provision']),
    );
    expect((await itemsOf(`/v1/admin/audit?tenantId=${two.tenantId}`, operator)).map((i) => i.action)).toEqual([
      'tenant.create',
    ]);
    expect((await itemsOf('/v1/admin/audit?tenantId=platform', operator)).map((i) => i.action)).toEqual([
      'user.create',
    ]);
    expect(await itemsOf('/v1/admin/audit?tenantId=ten_none', operator)).toEqual([]);
  });

  it('pages across chains without losing or repeating a line', async () => {
    const whole = (await itemsOf('/v1/admin/audit', operator)).map((item) => item.id);
    const seen: string[] = [];
    for (let cursor = ''; ;) {
      const answer = await get(`/v1/admin/audit?limit=2${cursor}`, operator);
      const page = answer.json<{ items: AuditEntryView[]; nextCursor: string | null }>();
      seen.push(...page.items.map((item) => item.id));
      if (page.nextCursor === null) break;
      cursor = `&cursor=${page.nextCursor}`;
    }
    expect(seen).toEqual(whole);
  });
});

describe('an export', () => {
  it('is JSON lines of the tenant alone, oldest first, and is itself a line of the log', async () => {
    const answer = await get('/v1/audit/export');
    expect(answer.headers['content-type']).toBe('application/x-ndjson; charset=utf-8');
    expect(answer.headers['content-disposition']).toMatch(/^attachment; filename="audit-[\d-]+\.jsonl"$/);
    const lines = answer.body
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as AuditEntryView);
    expect(lines.map((line) => line.tenantId)).toEqual(lines.map(() => one.tenantId));
    expect(lines.map((line) => line.seq)).toEqual(lines.map((_, n) => n + 1));
    expect(lines.at(-1)).toMatchObject({ action: 'audit.export', data: { format: 'jsonl' } });
  });

  it('is CSV that no spreadsheet takes for formulas', async () => {
    await record(one.tenantId, 'trick.run', { actor: '=HYPERLINK("http://x")', resourceId: '+1\n@x' });
    const { headers, body } = await get('/v1/audit/export?format=csv&resource=trick');
    expect(headers['content-type']).toBe('text/csv; charset=utf-8; header=present');
    const [head, row] = body.split('\r\n');
    expect(head).toBe(
      '"seq","at","actor","action","resource","resourceId","data","origin","requestId","tenantId","id","hash"',
    );
    expect(row).toContain(`"'=HYPERLINK(""http://x"")"`);
    expect(row).toContain(`"'+1\n@x"`);
  });

  it('has a head even when nothing matches', async () => {
    expect((await get('/v1/audit/export?format=csv&actor=nobody')).body).toMatch(/^"seq","at",[\w",]+\r\n$/);
    expect((await get('/v1/audit/export?actor=nobody')).body).toBe('');
  });

  it('of an operator is of one chain or of all', async () => {
    const whole = (await get('/v1/admin/audit/export', operator)).body.trimEnd().split('\n');
    const own = (await get(`/v1/admin/audit/export?tenantId=${two.tenantId}`, operator)).body.trimEnd().split('\n');
    expect(own.length).toBeLessThan(whole.length);
    expect((await get('/v1/admin/audit/export?tenantId=ten_none', operator)).statusCode).toBe(404);
    expect((await get('/v1/audit/export?format=xml')).statusCode).toBe(400);
  });

  it('reads the next page only when the one before was taken, and breaks off when its receiver is gone', async () => {
    const [entry] = await itemsOf('/v1/audit?limit=1');
    let pages = 0;
    async function* endless() {
      for (;;) {
        pages += 1;
        yield Array.from({ length: 100 }, () => entry!);
      }
    }
    const gone = new AbortController();
    const stream = await exportStream(endless(), 'jsonl', gone.signal);
    for (let n = 0; n < 5; n += 1) {
      stream.read();
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(pages).toBeLessThan(10);
    const ended = new Promise((resolve) => stream.once('error', resolve));
    gone.abort();
    expect(await ended).toMatchObject({ name: 'AbortError' });
    expect(stream.destroyed).toBe(true);
  });
});

describe('a verification by request', () => {
  it('is of a tenant’s own chain, and gives the anchor for the next one', async () => {
    const first = await get('/v1/audit/verify');
    expect(first.json()).toMatchObject({ chain: one.tenantId, status: 'intact', fault: null });
    const { seq, hash } = first.json<{ seq: number; hash: string }>();
    expect((await get(`/v1/audit/verify?anchor=${seq}:${hash}`)).json()).toMatchObject({ status: 'intact' });
    const other = `${seq}:${'0'.repeat(64)}`;
    expect((await get(`/v1/audit/verify?anchor=${other}`)).json()).toMatchObject({ fault: { kind: 'anchor-lost' } });
    expect((await get('/v1/audit/verify?anchor=7')).statusCode).toBe(400);
  });

  it('is of any chain for operators', async () => {
    for (const tenantId of [one.tenantId, 'platform']) {
      const answer = await post('/v1/admin/audit/verify', operator, { tenantId });
      expect(answer.statusCode).toBe(200);
      expect(answer.json()).toMatchObject({ chain: tenantId, status: 'intact' });
    }
    expect((await post('/v1/admin/audit/verify', operator, { tenantId: 'ten_none' })).statusCode).toBe(404);
    expect((await post('/v1/admin/audit/verify', operator, {})).statusCode).toBe(400);
  });

  it('runs one at a time in a process', async () => {
    const gate = Promise.withResolvers<void>();
    const verifier = { verify: async () => gate.promise } as never;
    const service = new AuditVerificationService(test.app.get(Database), verifier);
    const first = service.verify(one.tenantId, undefined);
    await expect(service.verify(two.tenantId, undefined)).rejects.toMatchObject({ code: 'audit-verification-busy' });
    gate.resolve();
    await first;
    await expect(service.verify(two.tenantId, undefined)).resolves.toBeUndefined();
  });
});

describe('wirebot audit', () => {
  const run = async (...words: string[]) => {
    const out = new PassThrough();
    const command = await test.app.get(ModuleRef).create(AuditCommand);
    const code = await command.run(words, out);
    out.end();
    return { code, printed: await text(out) };
  };

  it('prints where every chain ends and exits with 0', async () => {
    const { code, printed } = await run('verify');
    expect(code).toBe(0);
    expect(printed).toMatch(new RegExp(`^intact  one \\(${one.tenantId}\\): \\d+ lines  \\d+:[0-9a-f]{64}$`, 'm'));
    expect(printed).toMatch(/^intact {2}platform: /m);
  });

  it('compares with what an earlier run printed', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'wb-anchors-'));
    try {
      const file = join(folder, 'anchors');
      await writeFile(file, (await run('verify', '--json')).printed);
      await record(one.tenantId, 'member.resume');
      expect((await run('verify', '--all', '--anchors', file)).code).toBe(0);
      await writeFile(file, JSON.stringify({ chain: one.tenantId, seq: 2, hash: '0'.repeat(64) }));
      const { code, printed } = await run('verify', '--anchors', file);
      expect(code).toBe(1);
      expect(printed).toMatch(/^BROKEN {2}one .* at line 2: .*history was rewritten/m);
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  it('exports what a tenant’s key would see', async () => {
    const { printed } = await run('export', '--tenant', 'two', '--format', 'csv');
    expect(printed.split('\r\n')[1]).toContain('tenant.create');
  });

  it.each([
    [['verify', '--tenant', 'none'], /no tenant with the slug/],
    [['verify', '--anchor', '1:2'], /name it with --tenant/],
    [['verify', '--tenant', 'one', '--anchor', '1:2'], /no anchor/],
    [['verify', '--tenant', 'one', '--platform'], /exclude each other/],
    [['export'], /whose log/],
    [['export', '--platform', '--format', 'xml'], /jsonl, csv/],
    [['repair'], /verify or export/],
  ])('says what is wrong with %j', async (words, message) => {
    await expect(run(...words)).rejects.toThrow(Usage);
    await expect(run(...words)).rejects.toThrow(message);
  });

  it('exits with 1 and names the place when a chain is broken', async () => {
    await test.database.query(`UPDATE audit_entries SET actor = $2 WHERE tenant_id = $1`, [
      two.tenantId,
      randomBytes(4).toString('hex'),
    ]);
    const { code, printed } = await run('verify');
    expect(code).toBe(1);
    expect(printed).toMatch(/^BROKEN {2}two .* at line 1: Line 1 is not what was written there/m);
    expect(printed).toMatch(/^intact {2}one /m);
    expect((await run('verify', '--tenant', 'one')).code).toBe(0);
  });
});
