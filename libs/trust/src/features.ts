import type { SurfaceGrant, TrustMode } from '#libs/contracts';
import type { DecisionReason } from './decide.js';

interface FeatureRule {
  readonly minimumMode: TrustMode;
  /** True when the surface can carry it; undefined: every surface can. */
  readonly carried?: (grant: SurfaceGrant) => boolean;
  readonly reason?: DecisionReason;
}

/** What faces show or hide (product.md, "Trust modes" and "Surface caps"). */
export const FEATURE_RULES = {
  fullChat: { minimumMode: 1, carried: (grant) => grant.fullChat, reason: 'surface_without_full_chat' },
  businessContext: {
    minimumMode: 1,
    carried: (grant) => grant.businessContext,
    reason: 'surface_without_business_context',
  },
  personalisation: {
    minimumMode: 1,
    carried: (grant) => grant.personalisation,
    reason: 'surface_without_personalisation',
  },
  checklistsAndGoals: {
    minimumMode: 1,
    carried: (grant) => grant.checklistsAndGoals,
    reason: 'surface_without_checklists_and_goals',
  },
  weeklySummary: {
    minimumMode: 1,
    carried: (grant) => grant.weeklySummary !== 'never',
    reason: 'surface_without_weekly_summary',
  },
  sessionMemory: {
    minimumMode: 1,
    carried: (grant) => grant.memory !== 'none',
    reason: 'surface_without_session_memory',
  },
  durableMemory: {
    minimumMode: 1,
    carried: (grant) => grant.memory === 'durable',
    reason: 'surface_without_durable_memory',
  },
  deepMemory: {
    minimumMode: 2,
    carried: (grant) => grant.memory === 'durable',
    reason: 'surface_without_durable_memory',
  },
  patternDetection: {
    minimumMode: 2,
    carried: (grant) => grant.personalisation,
    reason: 'surface_without_personalisation',
  },
  toolChaining: { minimumMode: 2 },
  rawReasoning: { minimumMode: 3 },
  autonomousRuns: { minimumMode: 3 },
  crossWorkspaceSynthesis: {
    minimumMode: 3,
    carried: (grant) => grant.businessContext,
    reason: 'surface_without_business_context',
  },
} as const satisfies Record<string, FeatureRule>;

export type Feature = keyof typeof FEATURE_RULES;

/** Whether a request in this mode, from a surface with this grant, has the feature. */
export function decideFeature(
  feature: Feature,
  mode: TrustMode,
  grant: SurfaceGrant,
): { readonly allowed: boolean; readonly reason: DecisionReason } {
  const rule: FeatureRule = FEATURE_RULES[feature];
  if (mode < rule.minimumMode) return { allowed: false, reason: `trust_mode_${rule.minimumMode}_required` };
  if (rule.carried && !rule.carried(grant)) return { allowed: false, reason: rule.reason ?? 'surface_not_in_tier' };
  return { allowed: true, reason: 'allowed' };
}
