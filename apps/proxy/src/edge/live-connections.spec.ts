import { ManualClock } from '#libs/kernel';
import { memberClaims } from '#libs/testing';
import { RouteTable } from '#libs/routing';
import { generateSigningKey, type SigningKey, signMemberToken } from '#libs/tokens';
import { beforeAll, describe, expect, it } from 'vitest';
import { LiveConnections } from './live-connections.js';
import { SignedOut } from './signed-out.js';
import { TokenGate } from './token-gate.js';

const start = new Date('2026-01-01T00:00:00Z');
let key: SigningKey;
beforeAll(async () => {
  key = await generateSigningKey();
});

async function setUp() {
  const clock = new ManualClock(start);
  const table = new RouteTable(clock);
  const tenant = {
    tenantId: 'ten_a',
    slug: 'a',
    name: 'a',
    hosts: [],
    brand: { name: 'a', accent: '#000000', greeting: '' },
    status: 'active' as const,
    limits: { tokensPerDay: null, costPerDayMicros: null },
    acceptsSharedSecretTokens: false,
  };
  table.apply({
    type: 'snapshot',
    epoch: 'e',
    version: 1,
    issuer: 'https://issuer.test',
    jwks: { keys: [key.publicJwk as Record<string, unknown>] },
    tenants: [tenant],
    agents: [],
    revocations: [],
    providerKeys: [],
  });
  const signedOut = new SignedOut();
  const gate = new TokenGate(table, clock, undefined, signedOut);
  const live = new LiveConnections(gate, table, clock);
  const ended: string[] = [];
  const open = async (jti: string, seconds = 60) => {
    const exp = Math.floor(clock.now().getTime() / 1_000) + seconds;
    const token = await signMemberToken(key, memberClaims(clock.now(), { jti, exp }) as never);
    const grant = await gate.grantOf(token);
    return { grant, forget: live.add(grant, (fault) => ended.push(`${jti} ${fault.code}`)) };
  };
  return { clock, table, gate, live, ended, open, signedOut };
}

const until = '2026-01-02T00:00:00Z';
const revocation = (jti: string) => ({ tenantId: 'ten_a', jti, until });

describe('LiveConnections', () => {
  it('ends each at the second after which its token is good for nothing, once, in whatever steps time goes', async () => {
    for (const step of [1_000, 2_500, 60_000, 3_600_000]) {
      const { clock, live, ended, open } = await setUp();
      await open('short', 30);
      await open('long', 600);
      let at = 0;
      const endedAt = new Map<string, number>();
      while (at < 700_000) {
        clock.advance(step);
        at += step;
        live.tick();
        for (const one of ended) if (!endedAt.has(one)) endedAt.set(one, at);
      }
      expect(ended).toEqual(['short token-expired', 'long token-expired']);
      expect(endedAt.get('short token-expired')).toBe(Math.ceil(35_000 / step) * step);
      expect(live.size).toBe(0);
    }
  });

  it('ends nothing when the clock is set back, and what is due when it has caught up', async () => {
    const { clock, live, ended, open } = await setUp();
    clock.advance(10_000);
    live.tick();
    await open('one', 30);
    clock.advance(-10_000);
    live.tick();
    expect(ended).toEqual([]);
    clock.advance(44_000);
    live.tick();
    expect(ended).toEqual([]);
    clock.advance(1_000);
    live.tick();
    expect(ended).toEqual(['one token-expired']);
  });

  it('looks at everything when access may have ended, and only then', async () => {
    const { table, live, ended, open, gate } = await setUp();
    for (const jti of ['one', 'two', 'three']) await open(jti);
    let looks = 0;
    const faultOf = gate.faultOf.bind(gate);
    gate.faultOf = (grant) => {
      looks += 1;
      return faultOf(grant);
    };
    live.review();
    table.apply({ type: 'delta', from: 1, version: 2, agents: { upsert: [], remove: ['agt_x'] } });
    looks = 0;
    live.review();
    expect(looks).toBe(0);
    table.apply({ type: 'delta', from: 2, version: 3, revocations: [revocation('two')] });
    live.review();
    expect([looks, ended, live.size]).toEqual([3, ['two token-revoked'], 2]);
  });

  it('does not end what was closed before, and forgets it', async () => {
    const { table, live, ended, open } = await setUp();
    const { forget } = await open('one');
    forget();
    forget();
    table.apply({ type: 'delta', from: 1, version: 2, revocations: [revocation('one')] });
    live.review();
    expect([ended, live.size]).toEqual([[], 0]);
  });

  it('ends at once what ended while it was being opened', async () => {
    const { table, live, ended, open, clock } = await setUp();
    const { grant } = await open('one');
    table.apply({ type: 'delta', from: 1, version: 2, revocations: [revocation('one')] });
    live.review();
    live.add(grant, (fault) => ended.push(`late ${fault.code}`));
    await Promise.resolve();
    expect(ended).toEqual(['one token-revoked', 'late token-revoked']);
    const late = await open('two', 10);
    clock.advance(20_000);
    live.tick();
    live.add(late.grant, (fault) => ended.push(`later ${fault.code}`));
    await Promise.resolve();
    expect(ended.slice(2)).toEqual(['two token-expired', 'later token-expired']);
    expect(live.size).toBe(0);
  });

  it('ends a token that was signed out here, whatever the control plane knows', async () => {
    const { live, ended, open, signedOut } = await setUp();
    const { grant } = await open('one');
    await open('two');
    signedOut.add(grant.claims);
    live.review(true);
    expect(ended).toEqual(['one token-revoked']);
  });
});
