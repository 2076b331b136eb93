import { randomSecret, sha256 } from '../../../identity/secrets.js';
import type { RouteCalls } from '../route-call.js';
import { type Actor, newId } from '../world.js';

const OPENS = 'whoever signs in has no session yet; it is limited by address and account';
const TOKEN = 'A'.repeat(43);

const aSession = async ({ userId, sql }: Actor): Promise<string[]> => {
  const id = newId('uss');
  await sql(
    `INSERT INTO user_sessions (id, id_hash, user_id, address, user_agent, method, expires_at)
     VALUES ($1, $2, $3, '', '', 'password', now() + interval '1 hour')`,
    [id, sha256(randomSecret()), userId],
  );
  return [id];
};

/** Signing in, and a signed-in person's own account. */
export const CONSOLE_CALLS: RouteCalls = {
  'GET /v1/session': { open: 'says that nobody is signed in', good: [401] },
  'GET /v1/admin/session': { open: 'says that nobody is signed in', good: [401] },
  'POST /v1/session': { open: OPENS, body: { email: 'a@example.com', password: 'wrong' }, good: [401] },
  'POST /v1/admin/session': { open: OPENS, body: { email: 'a@example.com', password: 'wrong' }, good: [401] },
  'GET /v1/session/methods': { open: 'what the sign-in page offers' },
  'POST /v1/session/magic-links': { open: OPENS, body: { email: 'a@example.com' }, good: [202] },
  'POST /v1/session/magic-link': { open: OPENS, body: { token: TOKEN }, good: [401, 404, 410] },
  'POST /v1/session/password-reset': { open: OPENS, body: { email: 'a@example.com' }, good: [202] },
  'POST /v1/session/password-reset/complete': {
    open: OPENS,
    body: { token: TOKEN, password: 'correct horse battery staple' },
    good: [401, 404, 410],
  },
  'POST /v1/session/invitation': {
    open: OPENS,
    body: { token: TOKEN, password: 'x'.repeat(20) },
    good: [401, 404, 410],
  },
  'POST /v1/session/second-factor': { open: OPENS, body: { code: '123456' }, good: [401] },
  'DELETE /v1/session': {},
  'DELETE /v1/admin/session': {},
  'PUT /v1/session/password': { body: { newPassword: 'correct horse battery staple 9' } },
  'POST /v1/session/prove': { body: { password: 'wrong' }, good: [401, 403, 422] },
  'GET /v1/session/sessions': {},
  'DELETE /v1/session/sessions': {},
  'DELETE /v1/session/sessions/:id': { target: aSession },
  'GET /v1/session/totp': {},
  'POST /v1/session/totp': {},
  'POST /v1/session/totp/confirm': { body: { code: '123456' }, good: [403] },
  'DELETE /v1/session/totp': { good: [204, 404, 409] },
  'POST /v1/session/recovery-codes': { good: [404, 409, 422] },
};
