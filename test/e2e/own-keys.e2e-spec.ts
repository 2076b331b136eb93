import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { delay } from '#libs/kernel';
import { type ModelApi, startModelApi } from '#libs/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Api } from '../support/api.js';
import { chat } from '../support/chat.js';
import { PLATFORM_KEY } from '../support/model.js';
import { operatorKey } from '../support/other-tenant.js';
import { TestStack } from '../support/stack.js';

const TENANT_KEY = 'sk-ant-own-key-of-the-business-0000000001';
const MEMBER_KEY = 'sk-ant-own-key-of-the-member-00000000002';
/** A deletion must be in effect by then, in milliseconds. */
const IN_EFFECT = 5_000;

describe('own provider keys, end to end', () => {
  let model: ModelApi;
  let stack: TestStack;
  let api: Api;
  let operator: Api;

  const secret = (method: string, body?: object, query = '') =>
    operator.call(method, `/v1/secrets/provider/anthropic${query}`, body);

  /** The key that the provider sees when this member asks something. */
  async function keyOf(member: string): Promise<string | null | undefined> {
    await chat(await api.token(member), 'hello');
    return model.requests.at(-1)?.apiKey;
  }

  async function uses(member: string, key: string): Promise<number> {
    const began = Date.now();
    while ((await keyOf(member)) !== key) {
      if (Date.now() - began > 2 * IN_EFFECT) throw new Error(`${member} still uses another key`);
      await delay(50);
    }
    return Date.now() - began;
  }

  beforeAll(async () => {
    model = await startModelApi({ apiKeys: [PLATFORM_KEY, TENANT_KEY, MEMBER_KEY] });
    stack = await TestStack.start({
      driver: 'process',
      env: { ANTHROPIC_API_KEY: PLATFORM_KEY, ANTHROPIC_BASE_URL: model.url },
    });
    api = new Api(stack.file);
    operator = await operatorKey(stack.file, ['secrets:read', 'secrets:write'], stack.file.tenant.id);
    for (const member of ['ann', 'ben']) await api.provisioned(member, 'freewire');
  });
  afterAll(async () => {
    await stack.dispose();
    await model.close();
  });

  it("are used as soon as they are stored: the member's before the tenant's before the platform's", async () => {
    expect(await keyOf('ann')).toBe(PLATFORM_KEY);
    expect((await secret('PUT', { value: TENANT_KEY })).status).toBe(201);
    await uses('ann', TENANT_KEY);
    expect((await secret('PUT', { value: MEMBER_KEY, member: 'ann' })).status).toBe(201);
    await uses('ann', MEMBER_KEY);
    expect(await keyOf('ben')).toBe(TENANT_KEY);
  });

  it('survive a restart of everything', async () => {
    await stack.down();
    await stack.up();
    await uses('ann', MEMBER_KEY);
    expect(await keyOf('ben')).toBe(TENANT_KEY);
  });

  it('are in no file of the installation in clear', async () => {
    const files = await readdir(stack.dataDir, { recursive: true, withFileTypes: true });
    for (const file of files.filter((entry) => entry.isFile() && !entry.parentPath.includes('postgres'))) {
      const content = await readFile(join(file.parentPath, file.name), 'latin1').catch(() => '');
      for (const key of [TENANT_KEY, MEMBER_KEY])
        expect([file.name, content.includes(key)]).toEqual([file.name, false]);
    }
  });

  it('are out of use within five seconds of their deletion', async () => {
    expect((await secret('DELETE', undefined, '?member=ann')).status).toBe(204);
    expect(await uses('ann', TENANT_KEY)).toBeLessThan(IN_EFFECT);
    expect((await secret('DELETE')).status).toBe(204);
    expect(await uses('ann', PLATFORM_KEY)).toBeLessThan(IN_EFFECT);
  });
});
