import { mkdir, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { id, Stack, until } from '../../test/stack.fixture.js';

const stack = new Stack();
const expiresAt = new Date(Date.now() + 600_000).toISOString();
beforeAll(async () => {
  await stack.start();
  stack.control.exchange = async ({ tenantId, code }) => {
    if (code !== 'good' || tenantId !== id('ten', 'acme'))
      return { status: 401, body: { code: 'sign-in-code-invalid' } };
    const token = await stack.token('a');
    return { status: 200, body: { token, expiresAt, agentId: id('agt', 'a'), memberName: 'Ana Ünïcode; x=y' } };
  };
});
afterAll(() => stack.stop());

const own = () => ({ origin: stack.url });
const post = (path: string, body: unknown, headers: Record<string, string> = {}) =>
  fetch(`${stack.url}${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify(body),
  });
const codeOf = async (answer: Response) => [answer.status, ((await answer.json()) as { code: string }).code];

const signIn = async (): Promise<string> => {
  const answer = await post('/t/acme/auth/exchange', { code: 'good' }, own());
  return answer.headers
    .getSetCookie()
    .map((cookie) => cookie.split(';')[0])
    .join('; ');
};

describe('signing in', () => {
  it('turns a code into a session cookie that scripts cannot read, and never shows the token', async () => {
    const answer = await post('/t/acme/auth/exchange', { code: 'good' }, own());
    const text = await answer.text();
    expect(JSON.parse(text)).toEqual({ agentId: id('agt', 'a'), memberName: 'Ana Ünïcode; x=y', expiresAt });
    const [session] = answer.headers.getSetCookie();
    expect(session).toMatch(/^wirebot_session=[^;]+; Path=\/t\/acme\/; Max-Age=(59\d|600); HttpOnly; SameSite=Strict$/);
    expect(text).not.toContain(session!.slice(16, 60));
    expect(stack.control.credentials.at(-1)).toBe('Bearer proxy-secret');
  });

  it('tells who is signed in, until the sign-out', async () => {
    const cookie = await signIn();
    const me = await fetch(`${stack.url}/t/acme/auth/me`, { headers: { cookie } });
    expect(await me.json()).toMatchObject({ agentId: id('agt', 'a'), memberName: 'Ana Ünïcode; x=y' });
    const out = await post('/t/acme/auth/sign-out', {}, { cookie, ...own() });
    expect([out.status, out.headers.getSetCookie()[0]]).toEqual([
      204,
      expect.stringContaining('wirebot_session=; Path=/t/acme/; Max-Age=0'),
    ]);
    expect(await codeOf(await fetch(`${stack.url}/t/acme/auth/me`))).toEqual([401, 'session-missing']);
  });

  it('ends the token at the sign-out, not only the cookie: who kept a copy has nothing', async () => {
    const cookie = await signIn();
    const token = /wirebot_session=([^;]+)/.exec(cookie)![1]!;
    const { jti, sub } = JSON.parse(Buffer.from(token.split('.')[1]!, 'base64url').toString()) as Record<
      string,
      string
    >;
    await post('/t/acme/auth/sign-out', {}, { cookie, ...own() });
    expect(stack.control.signOuts.at(-1)).toEqual({ tenantId: id('ten', 'acme'), memberId: sub, jti });
    const kept = { authorization: `Bearer ${token}` };
    expect(await codeOf(await post('/t/acme/chat', {}, kept))).toEqual([401, 'token-revoked']);
    expect(await codeOf(await fetch(`${stack.url}/t/acme/auth/me`, { headers: { cookie } }))).toEqual([
      401,
      'token-revoked',
    ]);
  });

  it('signs out with the control plane down too, and tells it when it is back', async () => {
    const [cookie, other] = [await signIn(), await signIn()];
    stack.control.signOutStatus = 500;
    const count = stack.control.signOuts.length;
    for (const one of [cookie, other])
      expect((await post('/t/acme/auth/sign-out', {}, { cookie: one, ...own() })).status).toBe(204);
    expect(await codeOf(await post('/t/acme/chat', {}, { cookie, ...own() }))).toEqual([401, 'token-revoked']);
    stack.control.signOutStatus = 204;
    await until(() => stack.control.signOuts.length === count + 2);
  });

  it('asks nobody to sign out a cookie that is worth nothing, or that is of another tenant', async () => {
    const count = stack.control.signOuts.length;
    const nonsense = 'wirebot_session=nonsense';
    expect((await post('/t/acme/auth/sign-out', {}, { cookie: nonsense, ...own() })).status).toBe(204);
    const foreign = await signIn();
    expect((await post('/t/other/auth/sign-out', {}, { cookie: foreign, ...own() })).status).toBe(204);
    expect(stack.control.signOuts).toHaveLength(count);
    expect((await fetch(`${stack.url}/t/acme/auth/me`, { headers: { cookie: foreign } })).status).toBe(200);
  });

  it("refuses a code that is spent, another tenant's, or malformed", async () => {
    expect(await codeOf(await post('/t/acme/auth/exchange', { code: 'bad' }))).toEqual([401, 'sign-in-code-invalid']);
    expect(await codeOf(await post('/t/other/auth/exchange', { code: 'good' }))).toEqual([401, 'sign-in-code-invalid']);
    for (const body of [{}, { code: 5 }, { code: '' }, { code: 'x'.repeat(600) }, []]) {
      expect(await codeOf(await post('/t/acme/auth/exchange', body))).toEqual([400, 'body-invalid']);
    }
    expect(await codeOf(await post('/t/acme/auth/exchange', { code: 'x'.repeat(5000) }))).toEqual([
      413,
      'body-too-large',
    ]);
  });

  it('authorizes chat by the cookie, which goes no further', async () => {
    const cookie = await signIn();
    const answer = await post('/t/acme/chat', { text: 'hi' }, { cookie: `${cookie}; other=1`, ...own() });
    const seen = (await answer.json()) as { url: string; headers: Record<string, string> };
    expect(seen.url).toBe(`/a/${id('agt', 'a')}/chat`);
    expect(seen.headers['authorization']).toMatch(/^Bearer ey/);
    expect(seen.headers).not.toHaveProperty('cookie');
  });

  it.each(['http://evil.test', 'null', 'http://127.0.0.1:1', 'nonsense'])(
    'refuses the cookie when a page of %s sends it',
    async (origin) => {
      const cookie = await signIn();
      expect(await codeOf(await post('/t/acme/chat', {}, { cookie, origin }))).toEqual([403, 'origin-mismatch']);
      expect(await codeOf(await post('/t/acme/auth/exchange', { code: 'good' }, { origin }))).toEqual([
        403,
        'origin-mismatch',
      ]);
      expect(await codeOf(await post('/t/acme/auth/sign-out', {}, { cookie, origin }))).toEqual([
        403,
        'origin-mismatch',
      ]);
    },
  );

  it('does not take the cookie of one tenant at another, nor where a token is asked for', async () => {
    const cookie = await signIn();
    expect(await codeOf(await post('/t/other/chat', {}, { cookie }))).toEqual([404, 'agent-not-found']);
    expect(await codeOf(await post(`/t/acme/a/${id('agt', 'a')}/chat`, {}, { cookie }))).toEqual([
      401,
      'credential-missing',
    ]);
  });

  it('says that signing in is not possible while the control plane fails', async () => {
    const before = stack.control.exchange;
    stack.control.exchange = () => ({ status: 500, body: { detail: 'proxy-secret leaked' } });
    const answer = await post('/t/acme/auth/exchange', { code: 'good' });
    expect(await codeOf(answer)).toEqual([503, 'sign-in-unavailable']);
    stack.control.exchange = () => ({ status: 401, body: { code: 'credential-invalid' } });
    const refused = await post('/t/acme/auth/exchange', { code: 'good' });
    expect(await codeOf(refused)).toEqual([503, 'sign-in-unavailable']);
    stack.control.exchange = before;
  });
});

describe('the chat page', () => {
  const page = () => join(stack.directory, 'page');

  it('says so when it has not been built', async () => {
    expect(await codeOf(await fetch(`${stack.url}/t/acme/`))).toEqual([404, 'page-not-built']);
  });

  it('is served with types, validators, caching by hash and a strict policy once it is built', async () => {
    await mkdir(join(page(), 'assets'), { recursive: true });
    await writeFile(join(page(), 'assets', 'index-Dx8s_3Qa.js'), 'export {}');
    await writeFile(join(page(), 'index.html'), '<!doctype html><title>chat</title>');
    await until(async () => (await fetch(`${stack.url}/t/acme/`)).status === 200);
    const index = await fetch(`${stack.url}/t/acme/`);
    expect(index.headers.get('content-type')).toBe('text/html; charset=utf-8');
    expect(index.headers.get('cache-control')).toBe('no-cache');
    const policy = index.headers.get('content-security-policy')!;
    expect(policy).toContain("default-src 'self'; connect-src 'self' ws: wss:");
    expect(policy).not.toContain('unsafe');
    const script = await fetch(`${stack.url}/t/acme/assets/index-Dx8s_3Qa.js`);
    expect(script.headers.get('cache-control')).toContain('immutable');
    expect(script.headers.get('content-type')).toContain('text/javascript');
    const again = await fetch(`${stack.url}/t/acme/`, { headers: { 'if-none-match': index.headers.get('etag')! } });
    expect(again.status).toBe(304);
    const head = await fetch(`${stack.url}/t/acme/`, { method: 'HEAD' });
    expect([head.status, head.headers.get('content-length'), await head.text()]).toEqual([200, '34', '']);
  });

  it('serves nothing outside its folder, by path or by link', async () => {
    await symlink(join(stack.directory, 'proxy-credential'), join(page(), 'link.txt'));
    await rm(join(page(), 'index.html'));
    await writeFile(join(page(), 'index.html'), '<!doctype html><title>newer</title>');
    await until(async () => (await (await fetch(`${stack.url}/t/acme/`)).text()).includes('newer'));
    for (const path of ['link.txt', 'x/../../proxy-credential', '%2e%2e/proxy-credential', 'assets', 'assets/']) {
      const answer = await fetch(`${stack.url}/t/acme/${path}`);
      expect([path, answer.status === 404 || answer.status === 400]).toEqual([path, true]);
      expect(await answer.text()).not.toContain('proxy-secret');
    }
  });

  it('takes reads only', async () => {
    expect(await codeOf(await post('/t/acme/', {}))).toEqual([404, 'path-not-found']);
  });
});
