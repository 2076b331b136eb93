import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { effectiveMode, laxerLimits, MODE_LIMITS, stricterLimits, TRUST_MODES } from './modes.js';

const mode = fc.constantFrom(...TRUST_MODES);
const anything = fc.oneof(fc.integer(), fc.double(), fc.constantFrom(Number.NaN, Infinity, -Infinity, -0, 1.5));

describe('effectiveMode', () => {
  it('is never above any of its ceilings, nor above 3, nor below 0', () => {
    fc.assert(
      fc.property(fc.array(anything), (ceilings) => {
        const result = effectiveMode(...ceilings);
        expect(TRUST_MODES).toContain(result);
        expect(result).toBeLessThanOrEqual(Math.min(3, ...ceilings.filter((ceiling) => ceiling >= 0)));
      }),
    );
  });

  it('is the least of valid modes, and does not care for their order', () => {
    fc.assert(
      fc.property(fc.array(mode, { minLength: 1 }), fc.infiniteStream(fc.nat()), (modes, order) => {
        const shuffled = modes
          .map((value) => ({ value, at: order.next().value }))
          .sort((a, b) => a.at - b.at)
          .map(({ value }) => value);
        expect(effectiveMode(...modes)).toBe(Math.min(...modes));
        expect(effectiveMode(...shuffled)).toBe(effectiveMode(...modes));
      }),
    );
  });

  it('is raised by nothing: one more ceiling lowers it or leaves it', () => {
    fc.assert(
      fc.property(fc.array(mode, { minLength: 1 }), anything, (modes, more) => {
        expect(effectiveMode(...modes, more)).toBeLessThanOrEqual(effectiveMode(...modes));
      }),
    );
  });

  it('is monotone in every ceiling', () => {
    fc.assert(
      fc.property(fc.array(mode, { minLength: 1 }), fc.nat(), mode, (modes, at, other) => {
        const index = at % modes.length;
        const changed = modes.with(index, other);
        const [lower, higher] = other <= modes[index]! ? [changed, modes] : [modes, changed];
        expect(effectiveMode(...lower)).toBeLessThanOrEqual(effectiveMode(...higher));
      }),
    );
  });

  it('takes nonsense for no trust at all', () => {
    expect(effectiveMode()).toBe(0);
    for (const nonsense of [Number.NaN, 1.5, -4, Infinity, '3', null, undefined, {}, [3]])
      expect(effectiveMode(3, nonsense as number)).toBe(0);
    expect(effectiveMode(99)).toBe(3);
  });

  it('is never negative zero', () => {
    expect(Object.is(effectiveMode(-0), 0)).toBe(true);
  });
});

describe('limits', () => {
  it('of a mode are never below those of a lower one', () => {
    for (const lower of [0, 1, 2] as const) {
      const next = MODE_LIMITS[(lower + 1) as 1 | 2 | 3];
      expect(stricterLimits(MODE_LIMITS[lower], next)).toEqual(MODE_LIMITS[lower]);
      expect(laxerLimits(MODE_LIMITS[lower], next)).toEqual(next);
    }
  });

  it('take no limit for the laxest there is', () => {
    const amount = fc.option(fc.nat());
    const limits = fc.record({ messagesPerHour: amount, sessions: amount, apiCallsPerDay: amount, smsPerDay: amount });
    fc.assert(
      fc.property(limits, limits, (a, b) => {
        const [strict, lax] = [stricterLimits(a, b), laxerLimits(a, b)];
        for (const name of ['messagesPerHour', 'sessions', 'apiCallsPerDay', 'smsPerDay'] as const) {
          const [x, y] = [a[name] ?? Infinity, b[name] ?? Infinity];
          expect([strict[name] ?? Infinity, lax[name] ?? Infinity]).toEqual([Math.min(x, y), Math.max(x, y)]);
        }
      }),
    );
  });
});
