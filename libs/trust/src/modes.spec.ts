import { describe, expect, it } from 'vitest';
import { effectiveMode, TRUST_MODES } from './modes.js';
import { TIER_TEMPLATES } from './tier-templates.js';

describe('effectiveMode', () => {
  it('is never above any of its ceilings, for every combination of three', () => {
    for (const a of TRUST_MODES)
      for (const b of TRUST_MODES)
        for (const c of TRUST_MODES) {
          const mode = effectiveMode(a, b, c);
          expect(mode).toBe([a, b, c].sort((x, y) => x - y)[0]);
          expect(effectiveMode(a, b, c, 3)).toBe(mode);
        }
  });

  it('treats nonsense as no trust at all', () => {
    expect(effectiveMode()).toBe(0);
    for (const nonsense of [Number.NaN, 1.5, -4, Number.POSITIVE_INFINITY]) expect(effectiveMode(3, nonsense)).toBe(0);
    expect(effectiveMode(99)).toBe(3);
  });
});

describe('tier templates', () => {
  it.each(Object.entries(TIER_TEMPLATES))('%s gives mode 3 to dedicated placement only', (_key, template) => {
    for (const tier of template.tiers) expect(tier.trustCeiling === 3).toBe(tier.placement === 'dedicated');
    expect(new Set(template.tiers.map((tier) => tier.key)).size).toBe(template.tiers.length);
  });
});
