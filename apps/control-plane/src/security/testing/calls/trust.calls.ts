import { aMember, freshMember, type RouteCalls } from '../route-call.js';
import type { Actor } from '../world.js';

const invite = (actor: Actor, externalId: string): Promise<{ id: string; code: string }> =>
  actor.call('POST', `/v1/members/${externalId}/trust-invitations`, { mode: 2 });

const anInvitation = async (actor: Actor): Promise<string[]> => {
  const { externalId } = await freshMember(actor);
  return [(await invite(actor, externalId)).id];
};

const aMemberAndCode = async (actor: Actor): Promise<string[]> => {
  const { externalId } = await freshMember(actor);
  return [externalId, (await invite(actor, externalId)).code];
};

const aHeldMember = async (actor: Actor): Promise<string[]> => {
  const [externalId] = await aMember(actor);
  await actor.call('POST', `/v1/members/${externalId}/trust/downgrade`, { mode: 0, reason: 'a test' });
  return [externalId!];
};

const WRONG_CODE = { status: 422, because: 'a code is a secret that was handed over, not the name of a thing' };

/** Trust of members: ceilings, invitations, downgrades. */
export const TRUST_CALLS: RouteCalls = {
  'GET /v1/members/:externalId/trust': { target: aMember },
  'POST /v1/members/:externalId/trust/downgrade': { target: aMember, body: { mode: 0, reason: 'a test' } },
  'POST /v1/members/:externalId/trust/lift': { target: aHeldMember },
  'POST /v1/members/:externalId/trust-invitations': { target: aMember, body: { mode: 2 } },
  'GET /v1/trust-invitations': {},
  'DELETE /v1/trust-invitations/:id': { target: anInvitation },
  'POST /v1/trust-invitations/accept': {
    target: aMemberAndCode,
    body: ([member, code]) => ({ member, code }),
    stranger: WRONG_CODE,
  },
  'POST /v1/me/trust-invitations/accept': {
    target: async (actor) => [(await invite(actor, actor.externalId)).code],
    body: ([code]) => ({ code }),
    stranger: WRONG_CODE,
  },
};
