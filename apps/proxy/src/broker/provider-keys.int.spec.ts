import { generateBrokerKey, sealProviderKey } from '#libs/broker-keys';
import type { SealedProviderKey } from '#libs/contracts';
import { type ModelApi, startModelApi } from '#libs/testing';
import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { credentialOf, id, Stack, until } from '../../test/stack.fixture.js';

const PLATFORM = 'platform-key-of-the-operator';
const TENANT = 'sk-key-of-the-business';
const MEMBER = 'sk-key-of-the-member';
const NEWER = 'sk-newer-key-of-the-member';
const ROTATED = 'sk-key-after-a-rotation';
const REFUSED = 'sk-key-that-the-provider-refuses';
const broker = await generateBrokerKey();
const nextBroker = await generateBrokerKey();
const stack = new Stack();
const environment: Record<string, string> = {};
let api: ModelApi;

beforeAll(async () => {
  api = await startModelApi({ apiKeys: [PLATFORM, TENANT, MEMBER, NEWER, ROTATED] });
  Object.assign(environment, { ANTHROPIC_API_KEY: PLATFORM, ANTHROPIC_BASE_URL: api.url });
  await stack.start(environment);
  await mkdir(join(stack.directory, 'proxy-secrets'), { mode: 0o700 });
  await writeKeys([broker]);
});
afterAll(async () => {
  await stack.stop();
  await api.close();
});

const writeKeys = async (keys: readonly { privateJwk: object }[]): Promise<void> => {
  const path = join(stack.directory, 'proxy-secrets', 'broker-keys.json');
  await writeFile(path, JSON.stringify({ keys: keys.map((key) => key.privateJwk) }), { mode: 0o600 });
};

async function sealed(
  name: string,
  key: string,
  over: Partial<SealedProviderKey> = {},
  to = broker,
): Promise<SealedProviderKey> {
  const owner = { tenantId: id('ten', 'acme'), memberId: null, provider: 'anthropic' as const };
  const jwe = await sealProviderKey({ ...to.publicJwk, kid: to.kid }, { ...owner, ...over }, key);
  return { id: id('sec', name), version: 1, jwe, ...owner, ...over };
}

/** As the control plane does it: what is sent as a change is part of the next snapshot too. */
const send = (upsert: readonly SealedProviderKey[], remove: readonly string[] = []): void => {
  const gone = new Set([...upsert.map((key) => key.id), ...remove]);
  stack.providerKeys = [...stack.providerKeys.filter((key) => !gone.has(key.id)), ...upsert];
  stack.control.send({ type: 'delta', from: stack.version, version: stack.version, providerKeys: { upsert, remove } });
};

const ask = (name: string) =>
  fetch(`${stack.brokerUrl}/anthropic/v1/messages`, {
    method: 'POST',
    headers: {
      'x-api-key': credentialOf(id('agt', name)),
      'anthropic-version': '2023-06-01',
      'content-type': 'application/json',
    },
    body: JSON.stringify({ model: 'm', max_tokens: 16, messages: [{ role: 'user', content: 'hi' }] }),
  });

/** The key that the provider saw. */
async function keyOf(name: string): Promise<string | null | undefined> {
  const answer = await ask(name);
  await answer.arrayBuffer();
  expect(answer.status).toBe(200);
  return api.requests.at(-1)?.apiKey;
}
const uses = async (name: string, key: string): Promise<boolean> => {
  await until(async () => (await keyOf(name)) === key);
  return true;
};

describe('own provider keys in the model broker', () => {
  it("go before the platform's: the member's first, then the tenant's, each within its tenant", async () => {
    expect(await keyOf('a')).toBe(PLATFORM);
    send([await sealed('t', TENANT)]);
    await uses('a', TENANT);
    send([await sealed('m', MEMBER, { memberId: id('mem', 'a') })]);
    await uses('a', MEMBER);
    expect(await keyOf('b')).toBe(TENANT);
    expect(await keyOf('x')).toBe(PLATFORM);
  });

  it('follow a new version at once, and are gone with their removal', async () => {
    send([await sealed('m', NEWER, { memberId: id('mem', 'a'), version: 2 })]);
    expect(await uses('a', NEWER)).toBe(true);
    send([], [id('sec', 'm')]);
    await uses('a', TENANT);
  });

  it('are on disk only as they came: sealed. A restart without the control plane still uses them', async () => {
    await stack.proxy.stop();
    await stack.control.stop();
    await stack.startProxy(environment);
    expect(await keyOf('a')).toBe(TENANT);
    const saved = await readFile(join(stack.directory, 'proxy', 'routes.json'), 'utf8');
    expect(saved).toContain('"jwe"');
    for (const key of [TENANT, MEMBER, NEWER]) expect(saved).not.toContain(key);
    await stack.control.restart(stack.control.port);
    await until(() => stack.control.feeds.size > 0);
  });

  it("say whose key the provider refused, and quote nothing of the provider's answer", async () => {
    send([await sealed('r', REFUSED, { memberId: id('mem', 'b') })]);
    await until(async () => (await ask('b')).status === 503);
    const text = await (await ask('b')).text();
    expect(text).toContain('model-provider-key-refused');
    expect(text).toContain("member's own key");
    expect(text).not.toContain(REFUSED);
    expect(stack.logs.join('')).toContain(id('sec', 'r'));
  });

  it('are never replaced by somebody else’s when they cannot be opened', async () => {
    const stolen = await sealed('r', MEMBER, { memberId: id('mem', 'a') });
    send([{ ...stolen, memberId: id('mem', 'b'), version: 2 }]);
    await until(async () => (await (await ask('b')).text()).includes('model-provider-key-unreadable'));
    const count = api.requests.length;
    expect((await ask('b')).status).toBe(503);
    expect(api.requests).toHaveLength(count);
  });

  it('sealed to a rotated key are opened without a restart, and so are older ones', async () => {
    await writeKeys([nextBroker, broker]);
    send([await sealed('r', ROTATED, { memberId: id('mem', 'b'), version: 3 }, nextBroker)]);
    await until(async () => (await ask('b')).status === 200);
    expect(await keyOf('b')).toBe(ROTATED);
    expect(await keyOf('a')).toBe(TENANT);
  });

  it('stay closed while others can read the key file', async () => {
    await chmod(join(stack.directory, 'proxy-secrets', 'broker-keys.json'), 0o644);
    await stack.proxy.stop();
    await stack.startProxy(environment);
    await until(async () => (await (await ask('a')).text()).includes('model-provider-key-unreadable'));
    expect(stack.logs.join('')).toContain('mode 600');
    expect(await keyOf('x')).toBe(PLATFORM);
  });

  it('appear in no log', () => {
    const all = stack.logs.join('');
    for (const key of [PLATFORM, TENANT, MEMBER, NEWER, ROTATED, REFUSED]) expect(all).not.toContain(key);
    expect(all).not.toContain(broker.privateJwk.d);
  });
});
