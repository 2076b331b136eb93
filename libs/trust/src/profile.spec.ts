import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MODE_LIMITS, TRUST_MODES } from './modes.js';
import { compileTrustProfile } from './profile.js';
import { TIER_TEMPLATES } from './tier-templates.js';

const compile = (ceiling: 0 | 1 | 2 | 3, trustCeiling: number, limits = {}, channels: readonly string[] = ['web']) =>
  compileTrustProfile({ runtime: 'wirebot', ceiling, tier: { trustCeiling, channels, limits } });

describe('a compiled profile', () => {
  it('holds the surfaces that the tier covers and nothing else', () => {
    expect(Object.keys(compile(1, 1, {}, ['web', 'sms']).surfaces)).toEqual([
      'web',
      'extension',
      'sms',
      'mobile',
      'api',
      'cli',
      'admin',
    ]);
    expect(compile(1, 1, {}, []).surfaces).toEqual({});
    expect(Object.keys(compile(1, 1, {}, ['slack', 'fax']).surfaces)).toEqual(['slack']);
  });

  it('has the tier’s own limits, and its mode’s where the tier says nothing', () => {
    const { limits } = compile(1, 1, { messagesPerHour: 7, sessions: null, tokensPerDay: 9 });
    expect(limits).toEqual({ ...MODE_LIMITS[1], messagesPerHour: 7, sessions: null });
  });

  it('has the lower mode’s limits too once the member is below the tier', () => {
    expect(compile(0, 2, { messagesPerHour: 3, sessions: 9 }).limits).toEqual({
      ...MODE_LIMITS[0],
      messagesPerHour: 3,
    });
  });

  it('has the higher mode’s limits once the member was invited above the tier', () => {
    expect(compile(2, 1, { ...MODE_LIMITS[1], smsPerDay: null }).limits).toEqual({
      ...MODE_LIMITS[2],
      smsPerDay: null,
    });
  });

  it('without a tier allows nothing', () => {
    const profile = compileTrustProfile({ runtime: 'wirebot', ceiling: 0, tier: undefined });
    expect(profile).toEqual({ runtime: 'wirebot', ceiling: 0, surfaces: {}, tools: {}, limits: MODE_LIMITS[0] });
  });

  it('survives JSON unchanged', () => {
    fc.assert(
      fc.property(fc.constantFrom(...TRUST_MODES), fc.subarray(['web', 'sms', 'discord']), (ceiling, channels) => {
        const profile = compile(ceiling, ceiling, {}, channels);
        expect(JSON.parse(JSON.stringify(profile))).toEqual(profile);
      }),
    );
  });
});

describe('tier templates', () => {
  const tiersOf = (key: 'network' | 'standalone') => TIER_TEMPLATES[key].tiers;

  it.each(['network', 'standalone'] as const)('%s: mode 3 is dedicated, ranks rise, budgets do not fall', (key) => {
    const tiers = tiersOf(key);
    for (const tier of tiers) {
      expect(tier.trustCeiling === 3).toBe(tier.placement === 'dedicated');
      expect(tier.limits).toMatchObject(MODE_LIMITS[tier.trustCeiling]);
    }
    const amounts = tiers.map((tier) => tier.limits.tokensPerDay ?? Infinity);
    expect(amounts).toEqual([...amounts].sort((a, b) => a - b));
    expect(tiers.map((tier) => tier.rank)).toEqual([0, 1, 2, 3, 4]);
    expect(new Set(tiers.map((tier) => tier.key)).size).toBe(tiers.length);
  });

  it('are the product’s: ceilings, placements and channels', () => {
    const table = (key: 'network' | 'standalone') =>
      tiersOf(key).map((tier) => [tier.key, tier.trustCeiling, tier.invitedTrustCeiling, tier.channels.join(' ')]);
    expect(table('network')).toEqual([
      ['free', 0, null, 'web'],
      ['freewire', 1, null, 'web'],
      ['wire', 1, 2, 'web discord telegram slack'],
      ['extrawire', 2, null, 'web discord telegram slack sms voice'],
      ['sovereign', 3, null, 'web discord telegram slack sms voice whatsapp'],
    ]);
    expect(table('standalone')).toEqual([
      ['free', 0, null, 'web'],
      ['basic', 1, null, 'web'],
      ['standard', 1, null, 'web discord telegram'],
      ['premium', 2, null, 'web discord telegram sms voice slack'],
      ['power', 3, null, 'web discord telegram slack sms voice whatsapp'],
    ]);
  });
});
