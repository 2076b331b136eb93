import { describe, expect, it } from 'vitest';
import { BrokerKeysInvalid, ProviderKeyUnreadable } from './errors.js';
import {
  generateBrokerKey,
  openProviderKey,
  parsePrivateKeys,
  parsePublicKey,
  recipientOf,
  sealProviderKey,
} from './index.js';

const owner = { tenantId: 'ten_a', memberId: 'mem_a', provider: 'anthropic' } as const;
const KEY = 'sk-ant-the-key-of-a-member';
const broker = await generateBrokerKey();
const other = await generateBrokerKey();
const publicKey = await parsePublicKey(JSON.stringify(broker.publicJwk));
const seal = (who: Parameters<typeof sealProviderKey>[1] = owner) => sealProviderKey(publicKey, who, KEY);

describe('a provider key sealed to the broker', () => {
  it('is opened by the broker, also when it has newer keys', async () => {
    const jwe = await seal();
    expect(jwe).not.toContain(KEY);
    expect(recipientOf(jwe)).toBe(broker.kid);
    expect(await openProviderKey([other, broker], owner, jwe)).toBe(KEY);
  });

  it('cannot be opened with the public key, which is all that the control plane has', async () => {
    const jwe = await seal();
    const pretend = { kid: broker.kid, publicJwk: broker.publicJwk, privateJwk: broker.publicJwk };
    await expect(openProviderKey([pretend], owner, jwe)).rejects.toThrow(ProviderKeyUnreadable);
    await expect(openProviderKey([other], owner, jwe)).rejects.toThrow(ProviderKeyUnreadable);
  });

  it.each([
    ['another tenant', { ...owner, tenantId: 'ten_b' }],
    ['another member', { ...owner, memberId: 'mem_b' }],
    ['every member', { ...owner, memberId: null }],
    ['another provider', { ...owner, provider: 'openai' }],
  ])('is refused for %s', async (_name, claimed) => {
    await expect(openProviderKey([broker], claimed, await seal())).rejects.toThrow(ProviderKeyUnreadable);
  });

  it('is refused when any of its bytes was changed, without telling what is inside', async () => {
    const parts = (await seal()).split('.');
    for (const [index, part] of parts.entries()) {
      const bytes = Buffer.from(part, 'base64url');
      bytes[Math.floor(bytes.length / 2)]! ^= 1;
      const changed = parts.with(index, bytes.toString('base64url')).join('.');
      const failure = (await openProviderKey([broker], owner, changed).catch((error: unknown) => error)) as Error;
      expect([failure.constructor, failure.message.includes(KEY), failure.cause]).toEqual([
        ProviderKeyUnreadable,
        false,
        undefined,
      ]);
    }
  });

  it.each(['', 'a.b.c', '{}', `${'x'.repeat(5000)}`, 'eyJhbGciOiJkaXIiLCJlbmMiOiJBMjU2R0NNIn0..a.b.c'])(
    'is refused when it is no JWE of ours (%#)',
    async (jwe) => {
      await expect(openProviderKey([broker], owner, jwe)).rejects.toThrow(ProviderKeyUnreadable);
    },
  );
});

describe('broker keys in files', () => {
  it('are read back, the current one first, with ids that follow from the keys', async () => {
    const keys = [other, broker].map(({ privateJwk }) => ({ ...privateJwk, kid: 'claimed' }));
    expect((await parsePrivateKeys(JSON.stringify({ keys }))).map((key) => key.kid)).toEqual([other.kid, broker.kid]);
  });

  it.each([
    '',
    '[]',
    'null',
    '{"keys":[]}',
    '{"keys":[{"kty":"EC","crv":"P-256","x":"a","d":"b"}]}',
    '{"keys":[null]}',
  ])('are refused when they are %s', async (text) => {
    await expect(parsePrivateKeys(text)).rejects.toThrow(BrokerKeysInvalid);
  });

  it('never pass a private key off as a public one', async () => {
    await expect(parsePublicKey(JSON.stringify(broker.privateJwk))).rejects.toThrow(/private key was given/);
    await expect(parsePublicKey('nonsense')).rejects.toThrow(BrokerKeysInvalid);
  });
});
