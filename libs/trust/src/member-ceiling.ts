import type { TrustMode } from '#libs/contracts';
import { effectiveMode } from './modes.js';

/** Everything that limits what one member may at most. */
export interface CeilingInputs {
  /** Set by the platform's operator for this tenant. */
  readonly platform: number;
  /** Set by the tenant for all its members. */
  readonly tenant: number;
  /** Undefined: the member's tier is gone, which leaves no trust. */
  readonly tier: { readonly trustCeiling: number; readonly invitedTrustCeiling: number | null } | undefined;
  /** Accepted an invitation to this mode; 0: none. */
  readonly invited: number;
  /** Null: the invitation does not end by itself. */
  readonly invitedUntil: Date | null;
  /** A downgrade; null: none. */
  readonly cap: number | null;
  readonly capUntil: Date | null;
  readonly placement: string;
}

export type CeilingSource = 'platform' | 'tenant' | 'tier' | 'placement' | 'downgrade';

export interface MemberCeilings {
  /** The least of all of them. */
  readonly mode: TrustMode;
  readonly ceilings: readonly { readonly source: CeilingSource; readonly mode: TrustMode }[];
  /** An accepted invitation counts now. */
  readonly invited: boolean;
}

/** Mode 3 needs a gateway of one's own (product.md, "Trust modes"). */
const PLACEMENT_CEILINGS: Readonly<Record<string, TrustMode>> = { shared: 2, dedicated: 3 };

const lasts = (until: Date | null, now: Date): boolean => until === null || until.getTime() > now.getTime();

/** What a tier gives: an accepted invitation counts only as far as the tier says. */
function tierCeiling({ tier, invited, invitedUntil }: CeilingInputs, now: Date): { mode: TrustMode; invited: boolean } {
  if (!tier) return { mode: 0, invited: false };
  const plain = effectiveMode(tier.trustCeiling);
  const offered = lasts(invitedUntil, now) ? effectiveMode(invited, tier.invitedTrustCeiling ?? plain) : 0;
  return offered > plain ? { mode: offered, invited: true } : { mode: plain, invited: false };
}

/** The highest mode of a member now, with every ceiling and where it comes from. */
export function memberCeilings(inputs: CeilingInputs, now: Date): MemberCeilings {
  const tier = tierCeiling(inputs, now);
  const capped = inputs.cap !== null && lasts(inputs.capUntil, now);
  const ceilings = [
    { source: 'platform' as const, mode: effectiveMode(inputs.platform) },
    { source: 'tenant' as const, mode: effectiveMode(inputs.tenant) },
    { source: 'tier' as const, mode: tier.mode },
    { source: 'placement' as const, mode: PLACEMENT_CEILINGS[inputs.placement] ?? 0 },
    ...(capped ? [{ source: 'downgrade' as const, mode: effectiveMode(inputs.cap ?? 0) }] : []),
  ];
  return { mode: effectiveMode(...ceilings.map(({ mode }) => mode)), ceilings, invited: tier.invited };
}

export const memberCeiling = (inputs: CeilingInputs, now: Date): TrustMode => memberCeilings(inputs, now).mode;
