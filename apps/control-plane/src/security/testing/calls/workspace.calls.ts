import { freshMember, type RouteCalls } from '../route-call.js';
import type { Actor } from '../world.js';

const WRONG_CODE = { status: 422, because: 'a code is a secret that was handed over, not the name of a thing' };

const freshWorkspace = async (actor: Actor): Promise<string> => {
  const { memberId } = await freshMember(actor);
  const [row] = await actor.sql<{ id: string }>('SELECT id FROM workspaces WHERE member_id = $1', [memberId]);
  return row!.id;
};

const join = async (actor: Actor, workspaceId: string): Promise<string> => {
  const { memberId } = await freshMember(actor);
  await actor.call('PUT', `/v1/workspaces/${workspaceId}/members/${memberId}`, { role: 'member' });
  return memberId;
};

const invite = (actor: Actor, workspaceId: string): Promise<{ id: string; code: string }> =>
  actor.call('POST', `/v1/workspaces/${workspaceId}/invitations`, { role: 'member' });

const aWorkspace = async (actor: Actor): Promise<string[]> => [await freshWorkspace(actor)];
const aWorkspaceAndMember = async (actor: Actor): Promise<string[]> => {
  const id = await freshWorkspace(actor);
  return [id, await join(actor, id)];
};
const aWorkspaceAndInvitation = async (actor: Actor): Promise<string[]> => {
  const id = await freshWorkspace(actor);
  return [id, (await invite(actor, id)).id];
};

const ownWorkspace = async (actor: Actor): Promise<string[]> => [actor.workspaceId];
const ownWorkspaceAndMember = async (actor: Actor): Promise<string[]> => [
  actor.workspaceId,
  await join(actor, actor.workspaceId),
];
const ownWorkspaceAndInvitation = async (actor: Actor): Promise<string[]> => [
  actor.workspaceId,
  (await invite(actor, actor.workspaceId)).id,
];

const CHANGE = { name: 'Changed' };
const ROLE = { role: 'guest' };

/** Workspaces, by the tenant and by a member. */
export const WORKSPACE_CALLS: RouteCalls = {
  'GET /v1/workspaces': {},
  'GET /v1/workspaces/:id': { target: aWorkspace },
  'PATCH /v1/workspaces/:id': { target: aWorkspace, body: CHANGE },
  'GET /v1/workspaces/:id/members': { target: aWorkspace },
  'PUT /v1/workspaces/:id/members/:memberId': { target: aWorkspaceAndMember, body: ROLE },
  'DELETE /v1/workspaces/:id/members/:memberId': { target: aWorkspaceAndMember },
  'GET /v1/workspaces/:id/invitations': { target: aWorkspace },
  'POST /v1/workspaces/:id/invitations': { target: aWorkspace, body: { role: 'member' } },
  'DELETE /v1/workspaces/:id/invitations/:invitationId': { target: aWorkspaceAndInvitation },
  'POST /v1/invitations/accept': {
    target: async (actor) => [
      (await freshMember(actor)).externalId,
      (await invite(actor, await freshWorkspace(actor))).code,
    ],
    body: ([member, code]) => ({ member, code }),
    stranger: WRONG_CODE,
  },
  'GET /v1/me': {},
  'GET /v1/me/export': {},
  'GET /v1/me/workspaces': {},
  'GET /v1/me/workspaces/:id': { target: ownWorkspace },
  'PATCH /v1/me/workspaces/:id': { target: ownWorkspace, body: CHANGE },
  'GET /v1/me/workspaces/:id/members': { target: ownWorkspace },
  'PUT /v1/me/workspaces/:id/members/:memberId': { target: ownWorkspaceAndMember, body: ROLE },
  'DELETE /v1/me/workspaces/:id/members/:memberId': { target: ownWorkspaceAndMember },
  'GET /v1/me/workspaces/:id/invitations': { target: ownWorkspace },
  'POST /v1/me/workspaces/:id/invitations': { target: ownWorkspace, body: { role: 'member' } },
  'DELETE /v1/me/workspaces/:id/invitations/:invitationId': { target: ownWorkspaceAndInvitation },
  'POST /v1/me/invitations/accept': {
    target: async (actor) => [(await invite(actor, await freshWorkspace(actor))).code],
    body: ([code]) => ({ code }),
    stranger: WRONG_CODE,
    handedOver: 'whoever of the tenant holds the code may join',
  },
};
