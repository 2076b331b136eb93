import { type RequestLimits, SURFACES, type TrustMode, type TrustProfile } from '#libs/contracts';
import { laxerLimits, MODE_LIMITS, stricterLimits } from './modes.js';
import { SURFACE_GRANTS, tierCovers } from './surfaces.js';
import { TOOL_RULES } from './tools.js';

export interface ProfileInputs {
  readonly runtime: TrustProfile['runtime'];
  /** `memberCeiling` of the member. */
  readonly ceiling: TrustMode;
  /** Undefined: the tier is gone. */
  readonly tier:
    | { readonly trustCeiling: number; readonly channels: readonly string[]; readonly limits: Partial<RequestLimits> }
    | undefined;
}

/** Whatever a stored tier does not say is what its mode says. */
const tierLimits = (stored: Partial<RequestLimits>, mode: TrustMode): RequestLimits => ({
  ...MODE_LIMITS[mode],
  ...Object.fromEntries(Object.keys(MODE_LIMITS[mode]).flatMap((name) => entryOf(stored, name))),
});
const entryOf = (stored: Partial<RequestLimits>, name: string): [string, number | null][] => {
  const value = stored[name as keyof RequestLimits];
  return value === undefined ? [] : [[name, value]];
};

/**
 * The tier's own limits, as long as the member is where the tier puts them. Below it (a downgrade, a lower tenant ceiling)
 * the lower mode's limits hold as well; above it (an invitation) the member has what that mode has.
 */
function limitsOf(inputs: ProfileInputs): RequestLimits {
  const { ceiling, tier } = inputs;
  if (!tier) return MODE_LIMITS[0];
  const own = tierLimits(tier.limits, tier.trustCeiling as TrustMode);
  if (ceiling < tier.trustCeiling) return stricterLimits(own, MODE_LIMITS[ceiling]);
  return ceiling > tier.trustCeiling ? laxerLimits(own, MODE_LIMITS[ceiling]) : own;
}

/** What the gateway is told: only surfaces that the tier covers and tools that the ceiling can reach are in it at all. */
export function compileTrustProfile(inputs: ProfileInputs): TrustProfile {
  const { runtime, ceiling, tier } = inputs;
  const covered = SURFACES.filter((surface) => tierCovers(tier?.channels ?? [], surface));
  const tools = Object.entries(TOOL_RULES).filter(([, rule]) => rule.minimumMode <= ceiling);
  return {
    runtime,
    ceiling,
    surfaces: Object.fromEntries(covered.map((surface) => [surface, SURFACE_GRANTS[surface]])),
    tools: Object.fromEntries(tools),
    limits: limitsOf(inputs),
  };
}
