import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { resolve } from 'node:path';
import { ControlPlaneConfig } from '#libs/config';
import { HostCredentialStore } from './host-credentials.js';
import type { HostView } from './host-view.js';
import { HostProbe } from './host-probe.js';
import { HostUnusable } from './hosts.errors.js';
import { ApiKeysService } from '../identity/api-keys.service.js';
import { ControlPlaneFixture } from '../provisioning/testing/control-plane.fixture.js';

const BUNDLE = resolve(import.meta.dirname, '../../../../dist/gateway/gateway.mjs');
const FOLDERS = { stateRoot: '/var/lib/wirebot-far/state', secretsRoot: '/run/wirebot-far/secrets' };
const UNIX = { kind: 'unix', socketPath: '/nonexistent/docker.sock', ...FOLDERS };
const TLS = { kind: 'tls', host: 'engine.example', port: 2376, ...FOLDERS };
const PORTS = { from: 30_001, to: 30_010 };
const SECRET = 'a private key that nobody may see';

let plane: ControlPlaneFixture;
let operator: string;
let reader: string;
let tenant: string;

type Body = HostView & { code: string; detail: string; errors?: { field: string }[] };
async function call(method: string, path: string, payload?: object, headers: object = {}, key = operator) {
  const answer = await plane.app.inject({
    method: method as 'GET',
    url: `/v1/admin/hosts${path}`,
    headers: {
      authorization: `Bearer ${key}`,
      ...headers,
    },
    ...(payload ? { payload } : {}),
  });
  return {
    status: answer.statusCode,
    etag: String(answer.headers['etag']),
    text: answer.body,
    body: (answer.body ? answer.json() : {}) as Body,
  };
}

describe('hosts, registered and changed by operators', () => {
  /** What the engine says when it is tried; its own part is tried with real engines elsewhere. */
  let verdict: () => void = () => undefined;

  beforeAll(async () => {
    plane = await ControlPlaneFixture.start({
      WIREBOT_DRIVER: 'process',
      WIREBOT_GATEWAY_IMAGE: BUNDLE,
      WIREBOT_GATEWAY_PORTS: '19200-19209',
      WIREBOT_ROLES: 'api',
    });
    const keys = plane.app.get(ApiKeysService);
    operator = (await keys.issue({ tenantId: null, name: 'ops', scopes: ['*'] })).key;
    reader = (await keys.issue({ tenantId: null, name: 'eyes', scopes: ['hosts:read'] })).key;
    tenant = (await keys.issue({ tenantId: plane.tenantId, name: 'site', scopes: ['*'] })).key;
    const facts = { hostAddressForGateways: '10.201.0.1', isolation: 'all', cpus: 4, memoryBytes: 1e10, disk: null };
    plane.app.get(HostProbe).try = () =>
      Promise.resolve()
        .then(() => verdict())
        .then(() => facts);
    await plane.database.query(
      `INSERT INTO hosts (id, name, driver, port_from, port_to, state) VALUES ('hst_gone', 'gone', 'docker', 1, 2, 'removed')`,
    );
  });
  afterAll(async () => {
    process.env['WIREBOT_ROLES'] = '';
    await plane.dispose();
  });

  it('takes one with its credentials, which are sealed and never shown', async () => {
    const wanted = {
      name: 'rack-2',
      connection: TLS,
      ports: PORTS,
      labels: { tenant: 'acme' },
      capacity: { gateways: 20 },
    };
    const made = await call('POST', '', { ...wanted, credentials: { ca: 'a', cert: 'b', key: SECRET } });
    expect(made.status).toBe(201);
    expect(made.body).toMatchObject({
      ...wanted,
      state: 'active',
      hasCredentials: true,
      driver: 'docker',
      brokerAddress: '10.201.0.1',
    });
    expect(made.body.use).toEqual({ gateways: 0, agents: 0, memoryMb: 0, cpus: 0, freePorts: 5 });
    const read = await call('GET', `/${made.body.id}`);
    expect(read.body).toEqual(made.body);
    expect(made.text + read.text + (await call('GET', '')).text).not.toContain(SECRET);
    expect(await plane.app.get(HostCredentialStore).read(made.body.id)).toEqual({ ca: 'a', cert: 'b', key: SECRET });
    const stored = await plane.database.query<{ all: string }>(
      `SELECT (SELECT string_agg(t::text, '') FROM host_credentials t) || (SELECT string_agg(t::text, '') FROM audit_entries t) AS all`,
    );
    expect(stored[0]!.all).not.toContain(SECRET);
  });

  it.each([
    ['no name', { connection: UNIX, ports: PORTS }, 'name'],
    ['a name with spaces', { name: 'rack 2', connection: UNIX, ports: PORTS }, 'name'],
    ['no connection', { name: 'a', ports: PORTS }, 'connection'],
    ['another kind', { name: 'a', connection: { ...UNIX, kind: 'local' }, ports: PORTS }, 'connection.kind'],
    [
      'a relative path',
      { name: 'a', connection: { ...UNIX, stateRoot: 'state' }, ports: PORTS },
      'connection.stateRoot',
    ],
    [
      'a path that climbs',
      { name: 'a', connection: { ...UNIX, stateRoot: '/a/../b' }, ports: PORTS },
      'connection.stateRoot',
    ],
    [
      'one folder for both',
      { name: 'a', connection: { ...UNIX, secretsRoot: FOLDERS.stateRoot }, ports: PORTS },
      'connection.secretsRoot',
    ],
    ['TLS without a host', { name: 'a', connection: { ...TLS, host: undefined }, ports: PORTS }, 'connection.host'],
    ['SSH without a user', { name: 'a', connection: { ...TLS, kind: 'ssh' }, ports: PORTS }, 'connection.user'],
    ['ports without room', { name: 'a', connection: UNIX, ports: { from: 30_001, to: 30_002 } }, 'ports.to'],
    ['ports the wrong way', { name: 'a', connection: UNIX, ports: { from: 30_010, to: 30_001 } }, 'ports.to'],
    ['a label with a line break', { name: 'a', connection: UNIX, ports: PORTS, labels: { a: 'b\n' } }, 'labels'],
    [
      'a fraction of a gateway',
      { name: 'a', connection: UNIX, ports: PORTS, capacity: { gateways: 1.5 } },
      'capacity.gateways',
    ],
    [
      'a fingerprint that is none',
      { name: 'a', connection: UNIX, ports: PORTS, credentials: { hostKey: 'md5:1' } },
      'credentials.hostKey',
    ],
    ['something unknown', { name: 'a', connection: UNIX, ports: PORTS, state: 'active' }, 'state'],
  ])('refuses %s by name', async (_name, body, field) => {
    const answer = await call('POST', '', body);
    expect([answer.status, answer.body.code]).toEqual([400, 'request-invalid']);
    expect(answer.body.errors?.map((error) => error.field)).toContain(field);
  });

  it('takes nothing that failed its trial, and says what is wrong', async () => {
    verdict = () => {
      throw new HostUnusable('The image is not there; pull it first.');
    };
    const answer = await call('POST', '', { name: 'bad', connection: UNIX, ports: PORTS });
    expect([answer.status, answer.body.code]).toEqual([422, 'host-unusable']);
    expect(answer.body.detail).toContain('pull it first');
    const { body } = (await call('GET', '')) as unknown as { body: { items: HostView[] } };
    expect(body.items.map(({ name }) => name).sort()).toEqual(['local', 'rack-2']);
    const rack = body.items.find(({ name }) => name === 'rack-2')!;
    expect((await call('PATCH', `/${rack.id}`, { connection: UNIX })).status).toBe(422);
    expect((await call('GET', `/${rack.id}`)).body.connection).toEqual(TLS);
    verdict = () => undefined;
  });

  it('keeps to folders that are nothing else, before anything is made there', async () => {
    let tried = 0;
    verdict = () => void (tried += 1);
    for (const roots of [
      { stateRoot: '/etc' },
      { stateRoot: '/usr/share' },
      { secretsRoot: '/dev/shm' },
      { secretsRoot: `${FOLDERS.stateRoot}/secrets` },
      { stateRoot: plane.app.get(ControlPlaneConfig).dataDir },
      { stateRoot: `${plane.app.get(ControlPlaneConfig).backups.directory}/far` },
    ]) {
      const connection = { ...TLS, host: 'roots.example', ...roots };
      const answer = await call('POST', '', { name: 'roots', connection, ports: PORTS });
      expect([roots, answer.status, answer.body.code]).toEqual([roots, 422, 'host-unusable']);
    }
    expect(tried).toBe(0);
    verdict = () => undefined;
  });

  it('does not leave the state of its gateways behind', async () => {
    const connection = { ...TLS, host: 'full.example' };
    const { id } = (await call('POST', '', { name: 'full', connection, ports: PORTS })).body;
    await plane.database.query(
      `INSERT INTO gateways (id, tenant_id, host_id, kind, runtime, image, resources, phase, updated_at)
       VALUES ('gw_full', $2, $1, 'shared', 'wirebot', 'x', '{}', 'suspended', now())`,
      [id, plane.tenantId],
    );
    const elsewhere = { ...connection, stateRoot: '/var/lib/wirebot-elsewhere' };
    const refused = await call('PATCH', `/${id}`, { connection: elsewhere });
    expect([refused.status, refused.body.code]).toEqual([409, 'host-folders-in-use']);
    expect((await call('PATCH', `/${id}`, { connection: { ...connection, port: 2_377 } })).status).toBe(200);
    await plane.database.query(`DELETE FROM gateways WHERE id = 'gw_full'`);
    expect((await call('PATCH', `/${id}`, { connection: elsewhere })).body.connection).toEqual(elsewhere);
    expect((await call('DELETE', `/${id}`)).status).toBe(204);
  });

  it('is one host for an engine, and the same one again after its removal', async () => {
    const connection = { ...TLS, host: 'again.example' };
    const made = (await call('POST', '', { name: 'once', connection, ports: PORTS })).body;
    const twice = await call('POST', '', { name: 'twice', connection, ports: PORTS });
    expect([twice.status, twice.body.code]).toEqual([409, 'host-registered']);
    expect((await call('DELETE', `/${made.id}`)).status).toBe(204);
    const again = await call('POST', '', { name: 'once', connection, ports: PORTS });
    expect([again.status, again.body.id, again.body.state]).toEqual([201, made.id, 'active']);
    expect((await call('DELETE', `/${made.id}`)).status).toBe(204);
  });

  it('has one host of a name, also when two are registered at once', async () => {
    const both = await Promise.all(
      [1, 2].map((port) => call('POST', '', { name: 'twin', connection: { ...TLS, port }, ports: PORTS })),
    );
    expect(both.map(({ status }) => status).sort()).toEqual([201, 409]);
    expect(both.find(({ status }) => status === 409)?.body.code).toBe('host-name-taken');
  });

  it('is changed with If-Match, and a change that is old is refused', async () => {
    const made = (await call('POST', '', { name: 'tagged', connection: UNIX, ports: PORTS })).body;
    const read = await call('GET', `/${made.id}`);
    const first = await call('PATCH', `/${made.id}`, { capacity: { memoryMb: 1_000 } }, { 'if-match': read.etag });
    expect([first.status, first.body.capacity]).toEqual([200, { memoryMb: 1_000 }]);
    expect(first.etag).not.toBe(read.etag);
    expect((await call('PATCH', `/${made.id}`, { name: 'other' }, { 'if-match': read.etag })).status).toBe(412);
    expect((await call('PATCH', `/${made.id}`, { name: 'rack-2' })).status).toBe(409);
    const [line] = await plane.database.query<{ data: object }>(
      `SELECT data FROM audit_entries WHERE action = 'host.change' AND resource_id = $1`,
      [made.id],
    );
    expect(line!.data).toMatchObject({
      old: { capacity: {} },
      new: { capacity: { memoryMb: 1_000 } },
      credentials: false,
    });
  });

  it('leaves the configured one to its configuration', async () => {
    const rows = await plane.database.query<{ id: string }>(`SELECT id FROM hosts WHERE name = 'local'`);
    const { id } = rows[0]!;
    for (const body of [{ ports: PORTS }, { connection: UNIX }, { credentials: { key: 'a' } }])
      expect((await call('PATCH', `/${id}`, body)).body.code).toBe('host-is-configured');
    expect((await call('DELETE', `/${id}`)).body.code).toBe('host-is-configured');
    expect((await call('PATCH', `/${id}`, { labels: { rack: 'one' } })).body.labels).toEqual({ rack: 'one' });
  });

  it.each(['/hst_none', '/hst_gone'])('knows no host %s', async (path) => {
    expect((await call('GET', path)).status).toBe(404);
    expect((await call('PATCH', path, { name: 'x' })).status).toBe(404);
    expect((await call('DELETE', path)).status).toBe(404);
    for (const action of ['probe', 'cordon', 'uncordon', 'drain', 'lost'])
      expect((await call('POST', `${path}/${action}`, {})).body.code).toBe('host-not-found');
  });

  it('is for operators with the scope, and for nobody else', async () => {
    expect((await call('GET', '', undefined, {}, reader)).status).toBe(200);
    const attempts: [string, string, object][] = [
      ['POST', '', { name: 'a', connection: UNIX, ports: PORTS }],
      ['PATCH', '/hst_x', {}],
      ['DELETE', '/hst_x', {}],
      ...['probe', 'cordon', 'uncordon', 'drain', 'lost'].map((action): [string, string, object] => [
        'POST',
        `/hst_x/${action}`,
        {},
      ]),
    ];
    for (const [method, path, body] of attempts) {
      expect((await call(method, path, body, {}, reader)).status).toBe(403);
      expect((await call(method, path, body, {}, tenant)).status).toBe(403);
      expect((await call(method, path, body, {}, 'wrong')).status).toBe(401);
    }
    expect((await call('GET', '', undefined, {}, tenant)).status).toBe(403);
  });
});
