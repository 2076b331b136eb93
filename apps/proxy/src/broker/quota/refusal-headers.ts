import type { QuotaRefused } from './quota-account.js';

const DAY_SECONDS = 86_400;
/** Until others may have given back, and until the control plane may answer again, in seconds. */
const RETRY_AFTER = { reserved: 2, unavailable: 5 } as const;

const untilMidnight = (now: Date): number => DAY_SECONDS - Math.floor((now.getTime() / 1000) % DAY_SECONDS);

/** When to come back, and which limit it is: the fields of draft-ietf-httpapi-ratelimit-headers. */
export function refusalHeaders({ why, limitedBy }: QuotaRefused, now: Date): Record<string, string> {
  const reset = untilMidnight(now);
  const retry = why === 'exhausted' ? reset : RETRY_AFTER[why];
  const headers: Record<string, string> = { 'retry-after': String(retry) };
  // Model SDKs retry a 429 by themselves unless they are told that it is of no use.
  if (why === 'exhausted') headers['x-should-retry'] = 'false';
  if (!limitedBy) return headers;
  const { scope, unit, limit, used, leased } = limitedBy;
  const name = `${scope}-${unit === 'tokens' ? 'tokens' : 'cost-micros'}`;
  headers['ratelimit-policy'] = `"${name}";q=${limit};w=${DAY_SECONDS}`;
  headers['ratelimit'] = `"${name}";r=${Math.max(0, limit - used - leased)};t=${reset}`;
  return headers;
}
