import type { MemberClaims } from '#libs/contracts';
import { ManualClock } from '#libs/kernel';
import { RouteTable } from '#libs/routing';
import { generateSigningKey, type SigningKey, signMemberToken } from '#libs/tokens';
import { beforeAll, describe, expect, it } from 'vitest';
import { TokenGate } from './token-gate.js';

let key: SigningKey;
let other: SigningKey;
beforeAll(async () => {
  [key, other] = [await generateSigningKey(), await generateSigningKey()];
});

const clockStart = new Date('2026-01-01T00:00:00Z');
const seconds = clockStart.getTime() / 1000;

function setUp(capacity?: number) {
  const clock = new ManualClock(clockStart);
  const table = new RouteTable(clock);
  let version = 0;
  const publish = (keys: SigningKey[]) =>
    table.apply({
      type: 'snapshot',
      epoch: 'e',
      version: (version += 1),
      issuer: 'iss',
      jwks: { keys: keys.map((one) => one.publicJwk as Record<string, unknown>) },
      tenants: [],
      agents: [],
      revocations: [],
      providerKeys: [],
    });
  publish([key]);
  return { clock, table, publish, gate: new TokenGate(table, clock, capacity), next: () => (version += 1) };
}

const token = (over: Partial<MemberClaims> = {}, by = key) =>
  signMemberToken(by, {
    iss: 'iss',
    sub: 'mem_a',
    tid: 'ten_a',
    wid: 'wsp_a',
    trust_mode_max: 1,
    scopes: [],
    surfaces: [],
    gw: null,
    iat: seconds,
    exp: seconds + 60,
    jti: 'j',
    ...over,
  });

describe('TokenGate', () => {
  it('refuses a token it has accepted before, once it has expired', async () => {
    const { gate, clock } = setUp();
    const one = await token();
    expect(await gate.claimsOf(one)).toMatchObject({ wid: 'wsp_a' });
    clock.advance(64_000);
    expect(await gate.claimsOf(one)).toMatchObject({ wid: 'wsp_a' });
    clock.advance(1_000);
    await expect(gate.claimsOf(one)).rejects.toMatchObject({ code: 'token-expired' });
    expect(gate.size).toBe(0);
  });

  it('refuses it once its token or its member was revoked', async () => {
    const { gate, table, next } = setUp();
    const [one, two] = [await token({ jti: 'one' }), await token({ jti: 'two', sub: 'mem_b' })];
    await gate.claimsOf(one);
    await gate.claimsOf(two);
    const until = new Date(clockStart.getTime() + 60_000).toISOString();
    const issuedBefore = new Date(clockStart.getTime() + 1).toISOString();
    const version = next();
    const revocations = [
      { tenantId: 'ten_a', jti: 'one', until },
      { tenantId: 'ten_a', memberId: 'mem_b', issuedBefore, until },
    ];
    table.apply({ type: 'delta', from: version - 1, version, revocations });
    await expect(gate.claimsOf(one)).rejects.toMatchObject({ code: 'token-revoked' });
    await expect(gate.claimsOf(two)).rejects.toMatchObject({ code: 'token-revoked' });
  });

  it('refuses it once its key was withdrawn, and takes tokens of the new key', async () => {
    const { gate, publish } = setUp();
    const one = await token();
    await gate.claimsOf(one);
    publish([other]);
    await expect(gate.claimsOf(one)).rejects.toMatchObject({ code: 'token-invalid' });
    expect(await gate.claimsOf(await token({}, other))).toMatchObject({ sub: 'mem_a' });
  });

  it('does not keep a result that a change of keys has overtaken', async () => {
    const { gate, publish } = setUp();
    const pending = gate.claimsOf(await token());
    publish([other]);
    await gate.claimsOf(await token({}, other));
    await pending;
    expect(gate.size).toBe(1);
  });

  it('remembers a bounded number, and never a token that was refused', async () => {
    const { gate } = setUp(2);
    for (const jti of ['a', 'b', 'c']) await gate.claimsOf(await token({ jti }));
    expect(gate.size).toBe(2);
    await expect(gate.claimsOf('nonsense')).rejects.toMatchObject({ code: 'token-invalid' });
    expect(gate.size).toBe(2);
  });
});
