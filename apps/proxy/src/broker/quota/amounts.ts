import type { QuotaAmount } from '#libs/contracts';

export const NOTHING: QuotaAmount = { tokens: 0, micros: 0 };

const each = (a: QuotaAmount, b: QuotaAmount, join: (x: number, y: number) => number): QuotaAmount => ({
  tokens: join(a.tokens, b.tokens),
  micros: join(a.micros, b.micros),
});
export const plus = (a: QuotaAmount, b: QuotaAmount): QuotaAmount => each(a, b, (x, y) => x + y);
export const minus = (a: QuotaAmount, b: QuotaAmount): QuotaAmount => each(a, b, (x, y) => x - y);
export const times = (a: QuotaAmount, factor: number): QuotaAmount => each(a, a, (x) => x * factor);
export const largest = (a: QuotaAmount, b: QuotaAmount): QuotaAmount => each(a, b, Math.max);
export const smallest = (a: QuotaAmount, b: QuotaAmount): QuotaAmount => each(a, b, Math.min);
/** Enough in both. */
export const covers = (have: QuotaAmount, wanted: QuotaAmount): boolean =>
  have.tokens >= wanted.tokens && have.micros >= wanted.micros;
