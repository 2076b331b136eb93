import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { PolicyView, TokenView } from '#libs/contracts';
import { bundleGateway } from '../../../../tools/build/gateway-bundle.mjs';
import { ControlPlaneFixture } from '../provisioning/testing/control-plane.fixture.js';
import { RouteFeedService } from '../routing/route-feed.service.js';
import { TierChangesService } from '../tiers/tier-changes.service.js';
import type { TierContent } from '../tiers/tier-definition.js';
import { TiersService } from '../tiers/tiers.service.js';
import { TokensService } from '../tokens/tokens.service.js';
import { TrustCaps } from './trust-caps.js';
import { TrustSignals } from './trust-signals.js';

const POLL = { timeout: 20_000, interval: 50 };

/** From the change in the database to what a running gateway answers and what proxies are told. */
describe('a change of trust on real gateways', () => {
  let plane: ControlPlaneFixture;
  let bundle: string;

  beforeAll(async () => {
    bundle = mkdtempSync(join(tmpdir(), 'wirebot-trust-'));
    await bundleGateway(join(bundle, 'gateway.mjs'));
    plane = await ControlPlaneFixture.start({
      WIREBOT_DRIVER: 'process',
      WIREBOT_GATEWAY_IMAGE: join(bundle, 'gateway.mjs'),
      WIREBOT_GATEWAY_PORTS: '19020-19029',
    });
    for (const name of ['ann', 'ben']) await plane.put(name, 'extrawire');
  });
  afterAll(async () => {
    await plane.dispose();
    rmSync(bundle, { recursive: true, force: true });
  });

  const caller = () => ({ tenantId: plane.tenantId, actor: 'key:test' });
  const memberId = async (name: string) => (await plane.member(name)).id;
  const tokenOf = (name: string): Promise<TokenView> =>
    plane.app.get(TokensService).issue(plane.tenantId, { member: name, surface: 'web' });
  /** What the member's gateway itself answers to that token, past every proxy. */
  const policyOf = async (name: string, { token, url }: TokenView): Promise<PolicyView> => {
    const { gateway } = await plane.member(name);
    const sql = 'SELECT address FROM gateways WHERE id = $1';
    const [row] = await plane.database.query<{ address: { host: string; port: number } }>(sql, [gateway!.id]);
    const agent = url.split('/a/')[1]!;
    const answer = await fetch(`http://${row!.address.host}:${row!.address.port}/a/${agent}/policy`, {
      headers: { authorization: `Bearer ${token}` },
    });
    return (await answer.json()) as PolicyView;
  };
  const routeModeOf = async (name: string): Promise<number | undefined> => {
    const frame = plane.app.get(RouteFeedService).snapshot();
    const id = await memberId(name);
    return frame.type === 'snapshot' ? frame.agents.find((route) => route.memberId === id)?.trustModeMax : undefined;
  };
  const revoked = async (name: string): Promise<number> => {
    const frame = plane.app.get(RouteFeedService).snapshot();
    const id = await memberId(name);
    return frame.type === 'snapshot'
      ? frame.revocations.filter((row) => 'memberId' in row && row.memberId === id).length
      : 0;
  };
  const contentOf = async (key: string): Promise<TierContent> => {
    const tiers = await plane.app.get(TiersService).list(plane.tenantId);
    const { key: _key, version: _version, retiredAt: _retired, ...content } = tiers.find((tier) => tier.key === key)!;
    return content;
  };

  it('a downgrade reaches the gateway, the route and the proxies; older tokens get no more than it allows', async () => {
    const older = await tokenOf('ann');
    expect((await policyOf('ann', older)).trustMode).toBe(2);
    await plane.app.get(TrustCaps).downgrade(caller(), 'ann', { mode: 1, until: null, reason: 'test' });
    await expect.poll(() => routeModeOf('ann'), POLL).toBe(1);
    expect((await policyOf('ann', older)).trustMode).toBe(1);
    await expect.poll(() => revoked('ann'), POLL).toBe(1);
    expect(await routeModeOf('ben')).toBe(2);
    await plane.app.get(TrustCaps).lift(caller(), 'ann');
    await expect.poll(() => routeModeOf('ann'), POLL).toBe(2);
    expect((await policyOf('ann', await tokenOf('ann'))).trustMode).toBe(2);
  });

  it('suspicious signals do the same by themselves', async () => {
    await plane.app.get(TrustSignals).record(plane.tenantId, await memberId('ben'), 'foreign-agent', 60);
    await expect.poll(() => routeModeOf('ben'), POLL).toBe(0);
    expect(await policyOf('ben', await tokenOf('ben'))).toMatchObject({ trustMode: 0, ephemeral: true });
    await plane.app.get(TrustCaps).lift(caller(), 'ben');
    await expect.poll(() => routeModeOf('ben'), POLL).toBe(2);
  });

  it('an edited tier reaches every member’s gateway: limits, then the ceiling', async () => {
    const tiers = plane.app.get(TierChangesService);
    const content = await contentOf('extrawire');
    const limits = { ...content.limits, messagesPerHour: 7 };
    await tiers.put(caller(), 'extrawire', { ...content, limits });
    const limitOf = async (name: string) => (await policyOf(name, await tokenOf(name))).limits.messagesPerHour;
    for (const name of ['ann', 'ben']) await expect.poll(() => limitOf(name), POLL).toBe(7);
    await tiers.put(caller(), 'extrawire', { ...content, trustCeiling: 1 });
    for (const name of ['ann', 'ben']) {
      await expect.poll(() => routeModeOf(name), POLL).toBe(1);
      expect((await policyOf(name, await tokenOf(name))).trustMode).toBe(1);
    }
  });

  it('a member who gets a lower tier has a transition, and older tokens get no more than it allows', async () => {
    await plane.put('cat', 'extrawire');
    const older = await tokenOf('cat');
    const from = (await plane.member('cat')).trustModeMax;
    expect(await plane.put('cat', 'free')).toMatchObject({ kind: 'change-tier', status: 'succeeded' });
    const rows = await plane.database.query(
      'SELECT from_mode, to_mode, reason, detail FROM trust_transitions WHERE member_id = $1',
      [await memberId('cat')],
    );
    expect(rows).toEqual([
      { from_mode: from, to_mode: 0, reason: 'tier-changed', detail: { from: 'extrawire', tier: 'free' } },
    ]);
    await expect.poll(() => routeModeOf('cat'), POLL).toBe(0);
    expect((await policyOf('cat', older)).trustMode).toBe(0);
    expect(await revoked('cat')).toBe(0);
  });

  it('a retired tier is kept by its members and given to nobody else', async () => {
    await plane.app.get(TierChangesService).retire(caller(), 'free');
    expect(await plane.put('cat', 'free')).toBeUndefined();
    await expect(plane.put('ann', 'free')).rejects.toMatchObject({ code: 'tier-retired' });
    await expect(plane.put('new', 'free')).rejects.toMatchObject({ code: 'tier-retired' });
    await plane.app.get(TierChangesService).restore(caller(), 'free');
    expect(await plane.put('new', 'free')).toMatchObject({ status: 'succeeded' });
  });

  it('another placement moves the members’ agents, and their operations end', async () => {
    const tiers = plane.app.get(TierChangesService);
    const content = await contentOf('extrawire');
    await tiers.put(caller(), 'extrawire', { ...content, placement: 'dedicated', trustCeiling: 3 });
    const ids = await plane.database.query<{ id: string }>(
      `SELECT id FROM operations WHERE kind = 'change-tier' AND status IN ('pending', 'running')`,
    );
    expect(ids).toHaveLength(2);
    for (const { id } of ids) expect(await plane.ended(id)).toMatchObject({ status: 'succeeded' });
    for (const name of ['ann', 'ben']) {
      expect(await plane.member(name)).toMatchObject({
        trustModeMax: 3,
        gateway: { kind: 'dedicated', phase: 'ready' },
      });
      expect((await policyOf(name, await tokenOf(name))).trustMode).toBe(3);
    }
  });
});
