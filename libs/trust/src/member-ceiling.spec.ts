import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type CeilingInputs, memberCeiling, memberCeilings } from './member-ceiling.js';

const NOW = new Date('2026-11-21T12:00:00Z');
const PAST = new Date(NOW.getTime() - 1);
const FUTURE = new Date(NOW.getTime() + 1);

const FREE: CeilingInputs = {
  platform: 3,
  tenant: 3,
  tier: { trustCeiling: 3, invitedTrustCeiling: null },
  invited: 0,
  invitedUntil: null,
  cap: null,
  capUntil: null,
  placement: 'dedicated',
};
const ceiling = (changes: Partial<CeilingInputs>) => memberCeiling({ ...FREE, ...changes }, NOW);

const mode = fc.integer({ min: 0, max: 3 });
const until = fc.constantFrom(null, PAST, NOW, FUTURE);
const inputs: fc.Arbitrary<CeilingInputs> = fc.record({
  platform: mode,
  tenant: mode,
  tier: fc.option(fc.record({ trustCeiling: mode, invitedTrustCeiling: fc.option(mode) }), { nil: undefined }),
  invited: mode,
  invitedUntil: until,
  cap: fc.option(mode),
  capUntil: until,
  placement: fc.constantFrom('shared', 'dedicated', 'elsewhere'),
});

describe('a member’s ceiling', () => {
  it.each<[string, Partial<CeilingInputs>, number]>([
    ['is what nothing limits', {}, 3],
    ['is limited by the platform', { platform: 1 }, 1],
    ['is limited by the tenant', { tenant: 2 }, 2],
    ['is limited by the tier', { tier: { trustCeiling: 1, invitedTrustCeiling: null } }, 1],
    ['is limited by a shared placement', { placement: 'shared' }, 2],
    ['is nothing on a placement that nobody knows', { placement: 'cloud' }, 0],
    ['is nothing without a tier', { tier: undefined, invited: 3 }, 0],
    ['is limited by a downgrade', { cap: 0 }, 0],
    ['is limited by a downgrade that lasts', { cap: 0, capUntil: FUTURE }, 0],
    ['is free of a downgrade at the moment it ends', { cap: 0, capUntil: NOW }, 3],
    ['is free of a downgrade that is over', { cap: 0, capUntil: PAST }, 3],
  ])('%s', (_what, changes, expected) => {
    expect(ceiling(changes)).toBe(expected);
  });

  const tier = { trustCeiling: 1, invitedTrustCeiling: 2 };
  it.each<[string, Partial<CeilingInputs>, number]>([
    ['raises up to what the tier gives', { tier, invited: 2 }, 2],
    ['raises no further than the tier gives', { tier, invited: 3 }, 2],
    ['raises no further than it says itself', { tier: { ...tier, invitedTrustCeiling: 3 }, invited: 2 }, 2],
    ['changes nothing where the tier takes none', { tier: { ...tier, invitedTrustCeiling: null }, invited: 3 }, 1],
    ['lasts until its end', { tier, invited: 2, invitedUntil: FUTURE }, 2],
    ['is over at its end', { tier, invited: 2, invitedUntil: NOW }, 1],
    ['never lowers', { tier: { trustCeiling: 2, invitedTrustCeiling: 2 }, invited: 1 }, 2],
    ['does not help against a downgrade', { tier, invited: 2, cap: 1 }, 1],
    ['does not help against the platform', { tier, invited: 2, platform: 0 }, 0],
  ])('with an invitation that %s', (_what, changes, expected) => {
    expect(ceiling(changes)).toBe(expected);
  });

  it('is the least of the ceilings it names, whatever they are', () => {
    fc.assert(
      fc.property(inputs, (given) => {
        const { mode: result, ceilings } = memberCeilings(given, NOW);
        expect(result).toBe(Math.min(...ceilings.map((one) => one.mode)));
        const most = given.tier ? Math.max(given.tier.trustCeiling, given.tier.invitedTrustCeiling ?? 0) : 0;
        expect(result).toBeLessThanOrEqual(Math.min(given.platform, given.tenant, most));
        expect(result).toBeLessThanOrEqual(given.placement === 'dedicated' ? 3 : 2);
      }),
    );
  });

  it('falls or stays when any input falls', () => {
    const lower = (value: number | null): number | null => (value === null ? null : Math.max(0, value - 1));
    const lowered: ((given: CeilingInputs) => CeilingInputs)[] = [
      (given) => ({ ...given, platform: lower(given.platform)! }),
      (given) => ({ ...given, tenant: lower(given.tenant)! }),
      (given) => ({ ...given, invited: lower(given.invited)! }),
      (given) => ({ ...given, invitedUntil: PAST }),
      (given) => ({ ...given, cap: given.cap === null ? 3 : lower(given.cap) }),
      (given) => ({ ...given, capUntil: null }),
      (given) => ({ ...given, tier: undefined }),
      (given) => ({ ...given, tier: given.tier && { ...given.tier, trustCeiling: lower(given.tier.trustCeiling)! } }),
      (given) => ({ ...given, placement: 'shared' }),
    ];
    const known = inputs.filter(
      ({ placement, tier: own }) =>
        placement !== 'elsewhere' &&
        (!own || own.invitedTrustCeiling === null || own.invitedTrustCeiling >= own.trustCeiling),
    );
    fc.assert(
      fc.property(known, fc.constantFrom(...lowered), (given, change) => {
        expect(memberCeiling(change(given), NOW)).toBeLessThanOrEqual(memberCeiling(given, NOW));
      }),
    );
  });

  it('is nothing for nonsense in any place', () => {
    for (const nonsense of [Number.NaN, -1, 1.5]) {
      for (const changes of [{ platform: nonsense }, { tenant: nonsense }, { cap: nonsense }])
        expect(ceiling(changes)).toBe(0);
      expect(ceiling({ tier: { trustCeiling: nonsense, invitedTrustCeiling: null } })).toBe(0);
      expect(ceiling({ tier: { trustCeiling: 1, invitedTrustCeiling: nonsense }, invited: 3 })).toBe(1);
    }
  });
});
