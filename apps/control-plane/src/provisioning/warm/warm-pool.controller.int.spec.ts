import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ApiKeysService } from '../../identity/api-keys.service.js';
import { ControlPlaneFixture } from '../testing/control-plane.fixture.js';
import type { WarmPoolView } from './warm-pool.view.js';

const URL = '/v1/admin/warm-pool';

describe('the settings of gateways that are made ahead', () => {
  let plane: ControlPlaneFixture;
  let keys: Record<'all' | 'reader' | 'stranger' | 'tenant', string>;

  beforeAll(async () => {
    plane = await ControlPlaneFixture.start({
      WIREBOT_DRIVER: 'process',
      WIREBOT_ROLES: 'api',
      WIREBOT_WARM_GATEWAYS: '2',
    });
    const issue = async (scopes: string[], tenantId: string | null = null): Promise<string> =>
      (await plane.app.get(ApiKeysService).issue({ tenantId, name: 'ops', scopes })).key;
    keys = {
      all: await issue(['*']),
      reader: await issue(['gateways:read']),
      stranger: await issue(['hosts:write']),
      tenant: await issue(['*'], plane.tenantId),
    };
  });
  afterAll(() => plane.dispose());

  const call = (method: 'GET' | 'PUT', key?: string, payload?: object, headers: Record<string, string> = {}) =>
    plane.app.inject({
      method,
      url: URL,
      headers: { ...(key ? { authorization: `Bearer ${key}` } : {}), ...headers },
      ...(payload ? { payload } : {}),
    });

  it('are the defaults until somebody decides, with the size that the environment says', async () => {
    const answer = await call('GET', keys.reader);
    expect(answer.statusCode).toBe(200);
    expect(answer.headers['etag']).toMatch(/^"/);
    expect(answer.json()).toMatchObject({
      size: 2,
      maxPerHost: 4,
      timeZone: 'UTC',
      schedule: [],
      kinds: null,
      isDefault: true,
      status: { size: 2, ready: 0, changing: 0, failures: 0, claimsHeldUntil: null, gateways: [] },
    });
  });

  it('change as a whole, with a line in the audit log', async () => {
    const window = { days: ['mon', 'tue'], from: '08:00', to: '20:00', size: 5 };
    const wanted = { size: 1, timeZone: 'Europe/Berlin', schedule: [window], ttlHours: 12 };
    const answer = await call('PUT', keys.all, wanted);
    expect(answer.statusCode).toBe(200);
    expect(answer.json<WarmPoolView>()).toMatchObject({ ...wanted, isDefault: false, maxFailures: 5 });
    expect((await call('PUT', keys.all, { size: 0 })).json()).toMatchObject({ size: 0, schedule: [], ttlHours: 24 });
    const lines = await plane.database.query<{ data: { to: { size: number } }; tenant_id: string | null }>(
      `SELECT data, tenant_id FROM audit_entries WHERE action = 'warm-pool.change' ORDER BY seq`,
    );
    expect(lines.map(({ data, tenant_id }) => [data.to.size, tenant_id])).toEqual([
      [1, null],
      [0, null],
    ]);
  });

  it('change only from the version that was seen, when one is named', async () => {
    const etag = String((await call('GET', keys.all)).headers['etag']);
    expect((await call('PUT', keys.all, { size: 3 }, { 'if-match': etag })).statusCode).toBe(200);
    const late = await call('PUT', keys.all, { size: 4 }, { 'if-match': etag });
    expect(late.statusCode).toBe(412);
    expect((await call('GET', keys.all)).json()).toMatchObject({ size: 3 });
  });

  it('keep one of two changes that come at the same time from the same version', async () => {
    const etag = String((await call('GET', keys.all)).headers['etag']);
    const answers = await Promise.all([5, 6].map((size) => call('PUT', keys.all, { size }, { 'if-match': etag })));
    expect(answers.map(({ statusCode }) => statusCode).toSorted()).toEqual([200, 412]);
  });

  it.each([
    ['size', { size: -1 }],
    ['size', { size: null }],
    ['timeZone', { timeZone: 'Mars/Base' }],
    ['schedule', { schedule: [{ days: ['someday'], from: '08:00', to: '20:00', size: 1 }] }],
    ['schedule', { schedule: [{ days: ['mon'], from: '8', to: '20:00', size: 1 }] }],
    ['kinds', { kinds: [] }],
    [
      'kinds',
      {
        kinds: [
          { cpus: 1, memoryMb: 512, pids: 64 },
          { cpus: 2, memoryMb: 512, pids: 64 },
        ],
      },
    ],
    ['ttlHours', { ttlHours: 0 }],
    ['maxFailures', { maxFailures: 'many' }],
    ['unknown', { unknown: 1 }],
  ])('are refused by name when %s is wrong', async (field, body) => {
    const answer = await call('PUT', keys.all, body);
    expect(answer.statusCode).toBe(400);
    const { errors } = answer.json<{ errors: { field: string }[] }>();
    expect(errors.some((error) => error.field.startsWith(field))).toBe(true);
  });

  it('are for operators with the scope only', async () => {
    expect((await call('GET')).statusCode).toBe(401);
    expect((await call('GET', keys.stranger)).statusCode).toBe(403);
    expect((await call('PUT', keys.reader, { size: 1 })).statusCode).toBe(403);
    expect([403, 404]).toContain((await call('GET', keys.tenant)).statusCode);
  });
});
