import { describe, expect, it } from 'vitest';
import { modelErrorOf } from './errors.js';

describe('what the model broker says about quota', () => {
  it('is told to the member with the time until it begins anew, and is not tried again', () => {
    const error = modelErrorOf(429, '30120', 'quota-exhausted: Used up.');
    expect(error).toMatchObject({ code: 'quota-exhausted', kind: 'limited', retryable: false, retryAfter: 30_120 });
    expect(error.message).toBe("Today's allowance is used up. It starts again at midnight UTC, in 8 h 22 min.");
    expect(modelErrorOf(429, '30', 'quota-exhausted: Used up.').message).toContain('in 1 min.');
  });

  it('is tried again when others may give back, or when it cannot be told', () => {
    const reserved = modelErrorOf(429, '2', 'quota-reserved: Set aside.');
    const unavailable = modelErrorOf(503, '5', 'quota-unavailable: Away.');
    expect(reserved).toMatchObject({ code: 'quota-reserved', kind: 'limited', retryable: true, retryAfter: 2 });
    expect(unavailable).toMatchObject({ code: 'quota-unavailable', kind: 'unavailable', retryable: true });
  });

  it('is not mixed up with a provider’s own 429', () => {
    expect(modelErrorOf(429, '7', 'slow down')).toMatchObject({ code: 'model-rate-limited', retryAfter: 7 });
  });
});
