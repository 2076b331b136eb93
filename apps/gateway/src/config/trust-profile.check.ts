import { SURFACES, VISIBILITIES } from '#libs/contracts';
import type { FieldError } from '#libs/kernel';
import { checkEach, checkShape, flag, integer, isObject, oneOf, orNull, type Shape } from './shape.check.js';

const mode = oneOf(0, 1, 2, 3);
const PROFILE: Shape = { runtime: oneOf('wirebot'), ceiling: mode };
const GRANT: Shape = {
  modeCap: mode,
  fullChat: flag,
  businessContext: flag,
  personalisation: flag,
  checklistsAndGoals: flag,
  weeklySummary: oneOf('always', 'opt-in', 'never'),
  memory: oneOf('none', 'session', 'durable'),
};
const TOOL: Shape = {
  minimumMode: mode,
  needs: orNull(oneOf('fullChat', 'businessContext', 'personalisation', 'checklistsAndGoals')),
};
const amount = orNull(integer(0));
const LIMITS: Shape = { messagesPerHour: amount, sessions: amount, apiCallsPerDay: amount, smsPerDay: amount };

const named = (known: readonly string[], name: string, path: string): FieldError[] =>
  known.includes(name) ? [] : [{ field: path, message: `must be one of ${known.join(', ')}` }];

/** Every field of a trust profile: what this gateway cannot read it cannot enforce. */
export function checkTrustProfile(profile: unknown, path: string): FieldError[] {
  const errors = checkShape(profile, PROFILE, path);
  if (!isObject(profile)) return errors;
  return [
    ...errors,
    ...checkEach(profile['surfaces'], `${path}.surfaces`, (grants, at, surface) => [
      ...named(SURFACES, surface, at),
      ...checkEach(grants, at, (grant, where, visibility) => [
        ...named(VISIBILITIES, visibility, where),
        ...checkShape(grant, GRANT, where),
      ]),
    ]),
    ...checkEach(profile['tools'], `${path}.tools`, (tool, at) => checkShape(tool, TOOL, at)),
    ...checkShape(profile['limits'], LIMITS, `${path}.limits`),
  ];
}
