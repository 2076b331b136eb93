import type { PolicyView } from '#libs/contracts';
import {
  decideFeature,
  effectiveMode,
  type Feature,
  FEATURE_RULES,
  grantOf,
  MODE_LIMITS,
  stricterLimits,
  TOOL_RULES,
} from '#libs/trust';
import { SessionNotFound, SurfaceNotAllowed } from '../errors.js';
import type { Access } from '../http/access.js';

/** What this access may do, for faces that show or hide things by it. With a session, what it may do in that one. */
export function policyView({ agent, room, visitor }: Access, session: string | undefined): PolicyView {
  if (session !== undefined && !room.findSession(visitor, session)) throw new SessionNotFound();
  const { trust } = agent.config;
  const { surface, visibility } = visitor.place;
  const grant = grantOf(trust, surface, visibility);
  if (!grant) throw new SurfaceNotAllowed('surface_not_in_tier');
  const mode = effectiveMode(room.modeIn(visitor, session));
  const names = Object.keys(FEATURE_RULES) as Feature[];
  const tools = [...new Set([...Object.keys(TOOL_RULES), ...Object.keys(trust.tools)])];
  const decisions = room.policy.check(trust, visitor, tools, { session, sessionMode: mode });
  return {
    trustMode: mode,
    surface,
    visibility,
    ephemeral: visitor.trustMode === 0,
    features: Object.fromEntries(names.map((name) => [name, decideFeature(name, mode, grant)])),
    tools: decisions.map(({ allowed, reason }, index) => ({ tool: tools[index]!, allowed, reason })),
    limits: mode === 0 ? stricterLimits(trust.limits, MODE_LIMITS[0]) : trust.limits,
  };
}
