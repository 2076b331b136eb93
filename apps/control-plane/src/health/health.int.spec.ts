import { freshDatabase } from '#libs/testing';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { Database } from '#libs/database';
import { HttpEdgeModule } from '../http/http-edge.module.js';
import { startTestApp, type TestApp } from '../http/test-app.fixture.js';
import { ApiKeysService } from '../identity/api-keys.service.js';
import { IdentityModule } from '../identity/identity.module.js';
import { HealthModule } from './health.module.js';

let test: TestApp;
const get = (url: string, key?: string) =>
  test.app.inject({ method: 'GET', url, headers: key ? { authorization: `Bearer ${key}` } : {} });

beforeAll(async () => {
  test = await startTestApp(await freshDatabase(), [HttpEdgeModule, IdentityModule, HealthModule]);
});
afterAll(() => test.close());

it('is live and ready while everything answers', async () => {
  expect((await get('/health')).json()).toEqual({ status: 'ok' });
  expect((await get('/ready')).json()).toEqual({ status: 'ready', coordination: 'postgres' });
});

it('serves metrics by route to operators only', async () => {
  const { key } = await test.app.get(ApiKeysService).issue({ tenantId: null, name: 'ops', scopes: ['metrics:read'] });
  const { key: tenantKey } = await test.seedTenant('acme');
  expect((await get('/metrics')).statusCode).toBe(401);
  expect((await get('/metrics', tenantKey)).statusCode).toBe(403);
  const answer = await get('/metrics', key);
  expect(answer.headers['content-type']).toContain('text/plain');
  expect(answer.body).toMatch(/wirebot_http_request_seconds_count\{[^}]*route="\/health"[^}]*\} 1/);
});

it('stays live and is not ready when the database is away, and says so', async () => {
  const down = new Database({ url: 'postgres://127.0.0.1:1/none' });
  const database = test.app.get(Database);
  const ping = database.ping.bind(database);
  database.ping = () => down.ping();
  try {
    const answer = await get('/ready');
    expect(answer.json()).toMatchObject({
      status: 503,
      code: 'not-ready',
      detail: expect.stringContaining('the database'),
    });
    expect(answer.headers['retry-after']).toBe('2');
    expect((await get('/health')).statusCode).toBe(200);
  } finally {
    database.ping = ping;
    await down.close();
  }
  expect((await get('/ready')).statusCode).toBe(200);
});
