import type { TrustMode } from '#libs/contracts';

/** Suspicious things that gateways and proxies see of a member. */
export const SIGNAL_KINDS = ['foreign-agent', 'revoked-token', 'rate-limit', 'policy-denied', 'quota-probe'] as const;
export type SignalKind = (typeof SIGNAL_KINDS)[number];

export interface SignalRule {
  readonly kind: SignalKind;
  /** So many of them ... */
  readonly threshold: number;
  /** ... within so many minutes ... */
  readonly windowMinutes: number;
  /** ... hold the member at this mode ... */
  readonly cap: TrustMode;
  /** ... for so long. */
  readonly hours: number;
}

/** Asking for somebody else's agent is no accident ten times; running into one's own limits is one for long. */
export const SIGNAL_RULES: readonly SignalRule[] = [
  { kind: 'foreign-agent', threshold: 10, windowMinutes: 10, cap: 1, hours: 24 },
  { kind: 'foreign-agent', threshold: 50, windowMinutes: 60, cap: 0, hours: 24 },
  { kind: 'revoked-token', threshold: 20, windowMinutes: 10, cap: 1, hours: 24 },
  { kind: 'revoked-token', threshold: 200, windowMinutes: 60, cap: 0, hours: 24 },
  { kind: 'rate-limit', threshold: 300, windowMinutes: 60, cap: 1, hours: 24 },
  { kind: 'policy-denied', threshold: 30, windowMinutes: 60, cap: 1, hours: 24 },
  { kind: 'quota-probe', threshold: 100, windowMinutes: 60, cap: 1, hours: 24 },
];

/** Signals older than this count for no rule. */
export const LONGEST_WINDOW_MINUTES = Math.max(...SIGNAL_RULES.map((rule) => rule.windowMinutes));

export interface SeenSignal {
  readonly kind: string;
  readonly count: number;
  readonly at: Date;
}

/** The rule with the lowest cap that these signals fulfil now. */
export function ruleFor(
  signals: readonly SeenSignal[],
  now: Date,
  rules: readonly SignalRule[] = SIGNAL_RULES,
): SignalRule | undefined {
  const fulfilled = rules.filter(({ kind, threshold, windowMinutes }) => {
    const since = now.getTime() - windowMinutes * 60_000;
    const seen = signals.filter((signal) => signal.kind === kind && signal.at.getTime() > since);
    return seen.reduce((sum, signal) => sum + signal.count, 0) >= threshold;
  });
  return fulfilled.sort((a, b) => a.cap - b.cap)[0];
}
