import type { SurfaceGrant, TrustMode, TrustProfile, Visibility } from '#libs/contracts';
import { effectiveMode } from './modes.js';
import { TOOL_RULES } from './tools.js';

/** Stable: rows, clients and documentation quote them. */
export type DecisionReason =
  | 'allowed'
  | 'surface_not_in_tier'
  | 'visibility_not_of_surface'
  | 'tool_unknown'
  | `surface_without_${string}`
  | `trust_mode_${TrustMode}_required`;

export interface Decision {
  readonly allowed: boolean;
  /** The effective mode of the request, whatever was decided. */
  readonly mode: TrustMode;
  readonly reason: DecisionReason;
}

export interface Question {
  readonly profile: TrustProfile;
  /** `trust_mode_max` of the token. */
  readonly tokenMode: number;
  readonly surface: string;
  readonly visibility: Visibility;
  /** The mode that the session was started in; undefined: there is none yet. */
  readonly sessionMode?: number | undefined;
  /** Undefined: may it talk at all? */
  readonly tool?: string | undefined;
}

/** What the surface carries, or undefined when the tier does not cover it like that. */
export function grantOf(profile: TrustProfile, surface: string, visibility: Visibility): SurfaceGrant | undefined {
  const grants = Object.hasOwn(profile.surfaces, surface) ? profile.surfaces[surface] : undefined;
  return grants && Object.hasOwn(grants, visibility) ? grants[visibility] : undefined;
}

const snake = (feature: string): string => feature.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);

/** The one decision about a request: who asks, from where, in which session, for what. What is not allowed is denied. */
export function decide(question: Question): Decision {
  const { profile, surface, visibility, tool } = question;
  const grant = grantOf(profile, surface, visibility);
  if (!grant) {
    const reason = Object.hasOwn(profile.surfaces, surface) ? 'visibility_not_of_surface' : 'surface_not_in_tier';
    return { allowed: false, mode: 0, reason };
  }
  const mode = effectiveMode(profile.ceiling, question.tokenMode, grant.modeCap, question.sessionMode ?? 3);
  if (tool === undefined) return { allowed: true, mode, reason: 'allowed' };
  return { mode, ...decideTool(profile, grant, mode, tool) };
}

function decideTool(
  profile: TrustProfile,
  grant: SurfaceGrant,
  mode: TrustMode,
  tool: string,
): Pick<Decision, 'allowed' | 'reason'> {
  const known = Object.hasOwn(TOOL_RULES, tool) ? TOOL_RULES[tool] : undefined;
  const rule = Object.hasOwn(profile.tools, tool) ? profile.tools[tool] : undefined;
  if (!rule && !known) return { allowed: false, reason: 'tool_unknown' };
  // A tool that the profile leaves out is denied whatever the mode; its own minimum says why.
  const minimum = effectiveMode(rule?.minimumMode ?? known?.minimumMode ?? 3);
  if (!rule || mode < minimum) return { allowed: false, reason: `trust_mode_${minimum}_required` };
  if (rule.needs && !grant[rule.needs]) return { allowed: false, reason: `surface_without_${snake(rule.needs)}` };
  return { allowed: true, reason: 'allowed' };
}
