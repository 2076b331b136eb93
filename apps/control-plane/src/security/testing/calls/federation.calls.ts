import { createHash } from 'node:crypto';
import { fresh, type RouteCalls } from '../route-call.js';
import { type Actor, newId } from '../world.js';

const OPENS = 'whoever signs in has no session yet; it is limited by address';
const PROVIDER = { preset: 'github', clientId: 'client', clientSecret: 'not a secret' };

/** How addresses name what has a long name of its own. */
const digest = (name: string): string => createHash('sha256').update(name).digest('base64url').slice(0, 22);

const provider = async ({ sql }: Actor): Promise<{ id: string; key: string }> => {
  const id = newId('idp');
  const key = fresh('idp');
  await sql(
    `INSERT INTO identity_providers (id, key, name, kind, issuer, client_id, client_secret_sealed, updated_at)
     VALUES ($1, $2, 'Acme', 'oidc', 'https://id.invalid', 'client', '\\x00', now())`,
    [id, key],
  );
  return { id, key };
};

const aProvider = async (actor: Actor): Promise<string[]> => [(await provider(actor)).id];

/** Beside a password, so that it is not the last way to sign in. */
const anIdentity = async (actor: Actor): Promise<string[]> => {
  const { id } = await provider(actor);
  const subject = fresh('subject');
  await actor.sql(`UPDATE users SET password_hash = 'any' WHERE id = $1`, [actor.userId]);
  await actor.sql(`INSERT INTO user_identities (provider_id, subject, user_id) VALUES ($1, $2, $3)`, [
    id,
    subject,
    actor.userId,
  ]);
  return [digest(`${id}/${subject}`)];
};

const aPasskey = async (actor: Actor): Promise<string[]> => {
  const id = fresh('passkey');
  await actor.sql(`UPDATE users SET password_hash = 'any' WHERE id = $1`, [actor.userId]);
  await actor.sql(
    `INSERT INTO passkeys (credential_id, user_id, name, public_key, device_type, backed_up)
     VALUES ($1, $2, 'Key', '\\x00', 'singleDevice', false)`,
    [id, actor.userId],
  );
  return [digest(id)];
};

/** Identity providers and passkeys. */
export const FEDERATION_CALLS: RouteCalls = {
  'GET /v1/admin/identity-providers': {},
  'POST /v1/admin/identity-providers': { body: PROVIDER },
  'GET /v1/admin/identity-providers/:id': { target: aProvider },
  'PATCH /v1/admin/identity-providers/:id': { target: aProvider, body: { name: 'Changed' } },
  'DELETE /v1/admin/identity-providers/:id': { target: aProvider },
  'GET /v1/session/identities': {},
  'DELETE /v1/session/identities/:id': { target: anIdentity },
  'GET /v1/session/oidc/:key/start': { open: OPENS, target: async () => ['none'], good: [302] },
  'GET /v1/session/oidc/:key/callback': { open: OPENS, target: async () => ['none'], good: [302] },
  'GET /v1/session/oidc/:key/link': {
    target: async () => ['none'],
    redirects: 'a browser navigates here, and shows what it gets',
    good: [302],
    same: 'a provider is nobody’s: its key is the same for everybody',
  },
  'GET /v1/session/passkeys': {},
  'POST /v1/session/passkeys/options': {},
  'POST /v1/session/passkeys/verify': { body: { credential: {} }, good: [400, 401, 403, 422] },
  'POST /v1/session/passkeys/prove': { body: { credential: {} }, good: [400, 401, 403, 422] },
  'PATCH /v1/session/passkeys/:id': { target: aPasskey, body: { name: 'Renamed' } },
  'DELETE /v1/session/passkeys/:id': { target: aPasskey },
  'POST /v1/session/passkey/options': { open: OPENS },
  'POST /v1/session/passkey/verify': { open: OPENS, body: { credential: {} }, good: [400, 401, 403, 422] },
};
