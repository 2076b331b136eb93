import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { defaultWarmPool, type WarmPoolSettings, type WarmWindow, WEEKDAYS } from './warm-pool.settings.js';
import { sizeAt } from './warm-schedule.js';

const settings = (schedule: WarmWindow[], timeZone = 'UTC'): WarmPoolSettings => ({
  ...defaultWarmPool(1),
  timeZone,
  schedule,
});
const at = (iso: string): Date => new Date(iso);
const workdays: WarmWindow['days'] = ['mon', 'tue', 'wed', 'thu', 'fri'];
const office: WarmWindow = { days: workdays, from: '08:00', to: '20:00', size: 5 };

describe('the schedule of the pool', () => {
  it('is the plain size when there is none', () => {
    expect(sizeAt(settings([]), at('2026-11-23T12:00:00Z'))).toBe(1);
  });

  it('counts from its first minute to before its last', () => {
    const pool = settings([office]);
    expect(sizeAt(pool, at('2026-11-23T07:59:59Z'))).toBe(1); // a Monday
    expect(sizeAt(pool, at('2026-11-23T08:00:00Z'))).toBe(5);
    expect(sizeAt(pool, at('2026-11-23T19:59:59Z'))).toBe(5);
    expect(sizeAt(pool, at('2026-11-23T20:00:00Z'))).toBe(1);
    expect(sizeAt(pool, at('2026-11-22T12:00:00Z'))).toBe(1); // a Sunday
  });

  it('reads the clocks of its time zone, also when they change', () => {
    const pool = settings([office], 'America/New_York');
    expect(sizeAt(pool, at('2026-07-06T11:59:00Z'))).toBe(1);
    expect(sizeAt(pool, at('2026-07-06T12:00:00Z'))).toBe(5); // summer: 08:00 is 12:00 UTC
    expect(sizeAt(pool, at('2026-12-07T12:00:00Z'))).toBe(1); // winter: 07:00
    expect(sizeAt(pool, at('2026-12-07T13:00:00Z'))).toBe(5);
  });

  it('takes hours over midnight for the day on which they began', () => {
    const pool = settings([{ days: ['sun'], from: '22:00', to: '02:00', size: 7 }]);
    expect(sizeAt(pool, at('2026-11-22T21:59:00Z'))).toBe(1);
    expect(sizeAt(pool, at('2026-11-22T22:00:00Z'))).toBe(7);
    expect(sizeAt(pool, at('2026-11-23T01:59:00Z'))).toBe(7);
    expect(sizeAt(pool, at('2026-11-23T02:00:00Z'))).toBe(1);
    expect(sizeAt(pool, at('2026-11-22T01:00:00Z'))).toBe(1); // that night belongs to Saturday
  });

  it('takes equal hours for a whole day from then on', () => {
    const pool = settings([{ days: ['sat'], from: '06:00', to: '06:00', size: 3 }]);
    expect(sizeAt(pool, at('2026-11-21T05:59:00Z'))).toBe(1);
    expect(sizeAt(pool, at('2026-11-21T06:00:00Z'))).toBe(3);
    expect(sizeAt(pool, at('2026-11-22T05:59:00Z'))).toBe(3);
    expect(sizeAt(pool, at('2026-11-22T06:00:00Z'))).toBe(1);
  });

  it('goes by the first window that fits', () => {
    const lunch: WarmWindow = { days: workdays, from: '12:00', to: '13:00', size: 0 };
    expect(sizeAt(settings([lunch, office]), at('2026-11-23T12:30:00Z'))).toBe(0);
    expect(sizeAt(settings([office, lunch]), at('2026-11-23T12:30:00Z'))).toBe(5);
  });

  it('names one size for every moment of every week, wherever it is', () => {
    const time = fc
      .tuple(fc.nat(23), fc.nat(59))
      .map(([hour, minute]) => `${String(hour).padStart(2, '0')}:${String(minute).padStart(2, '0')}`);
    const window = fc.record({
      days: fc.subarray([...WEEKDAYS], { minLength: 1 }),
      from: time,
      to: time,
      size: fc.nat(50),
    });
    const zone = fc.constantFrom('UTC', 'Europe/Berlin', 'Asia/Kolkata', 'Pacific/Apia', 'America/St_Johns');
    const moment = fc.date({ min: at('2026-01-01T00:00:00Z'), max: at('2027-12-31T00:00:00Z'), noInvalidDate: true });
    fc.assert(
      fc.property(fc.array(window, { maxLength: 4 }), zone, moment, (schedule, timeZone, now) => {
        const sizes = [1, ...schedule.map(({ size }) => size)];
        expect(sizes).toContain(sizeAt(settings(schedule, timeZone), now));
      }),
    );
  });
});
