import { fresh, type RouteCalls } from '../route-call.js';
import { type Actor, newId } from '../world.js';

const aUser = async ({ sql }: Actor): Promise<string[]> => {
  const id = newId('usr');
  await sql(`INSERT INTO users (id, email, email_verified_at) VALUES ($1, $2, now())`, [id, `${id}@example.com`]);
  return [id];
};

/** Invited, and not yet here. */
const aGuest = async (actor: Actor): Promise<string[]> => {
  const email = `${fresh('guest')}@example.com`;
  const { staff } = await actor.call<{ staff: { userId: string } }>('POST', '/v1/staff', { email, role: 'support' });
  return [staff.userId];
};

const anInvitedUser = async (actor: Actor): Promise<string[]> => {
  const email = `${fresh('guest')}@example.com`;
  return [(await actor.operate<{ user: { id: string } }>('POST', '/v1/admin/users', { email })).user.id];
};

const aStaffMember = async (actor: Actor): Promise<string[]> => {
  const [id] = await aUser(actor);
  await actor.sql(`INSERT INTO tenant_staff (tenant_id, user_id, role) VALUES ($1, $2, 'support')`, [
    actor.tenantId,
    id,
  ]);
  return [id!];
};

/** People who sign in to consoles. */
export const STAFF_CALLS: RouteCalls = {
  'GET /v1/staff': {},
  'POST /v1/staff': { body: { email: 'hired@example.com', role: 'support' } },
  'PATCH /v1/staff/:userId': { target: aStaffMember, body: { role: 'admin' } },
  'DELETE /v1/staff/:userId': { target: aStaffMember },
  'POST /v1/staff/:userId/invitation': { target: aGuest },
  'GET /v1/admin/users': {},
  'POST /v1/admin/users/:id/invitation': { target: anInvitedUser },
  'POST /v1/admin/users': { body: { email: `${fresh('made')}@example.com` } },
  'GET /v1/admin/users/:id': { target: aUser },
  'PATCH /v1/admin/users/:id': { target: aUser, body: { name: 'Changed' } },
};
