import { jsonBody, request } from '#libs/browser';
import type {
  AuthenticationResponseJSON,
  PublicKeyCredentialCreationOptionsJSON,
  PublicKeyCredentialRequestOptionsJSON,
  RegistrationResponseJSON,
} from '@simplewebauthn/browser';

export interface Session {
  readonly user: { readonly email: string; readonly name?: string | null };
  readonly isOperator: boolean;
  readonly tenants: readonly { readonly id: string; readonly name: string; readonly role: string }[];
}

export interface Methods {
  readonly magicLink: { readonly available: boolean };
  readonly passwordReset: { readonly available: boolean };
  readonly passkeys: boolean;
  readonly providers: readonly Provider[];
}

export interface Provider {
  readonly key: string;
  readonly name: string;
}

export type Outcome =
  { readonly status: 'signed-in' } | { readonly status: 'second-factor'; readonly methods: readonly string[] };

export interface PasskeyRow {
  readonly id: string;
  readonly name: string;
  readonly synced: boolean;
  readonly createdAt: string;
  readonly lastUsedAt: string | null;
}

export interface IdentityRow {
  readonly id: string;
  readonly provider: Provider & { readonly enabled: boolean };
  readonly email: string | null;
  readonly createdAt: string;
}

export interface SessionRow {
  readonly id: string;
  readonly current: boolean;
  readonly method: string;
  readonly address: string;
  readonly userAgent: string;
  readonly lastSeenAt: string;
}

export interface Totp {
  readonly status: 'off' | 'pending' | 'on';
  readonly recoveryCodesLeft: number;
}

export interface TotpSetup {
  readonly secret: string;
  readonly url: string;
  readonly qrSvg: string;
}

/** The page is served below `/admin/`, the API beside it. */
const at = (path: string): URL => new URL(`../v1/session${path}`, location.href);
const get = <T>(path: string): Promise<T> => request<T>(at(path));
const post = <T>(path: string, body: object = {}): Promise<T> => request<T>(at(path), jsonBody('POST', body));
const remove = (path: string): Promise<void> => request(at(path), { method: 'DELETE' });
const items = async <T>(path: string): Promise<readonly T[]> => (await get<{ items: readonly T[] }>(path)).items;

export const getSession = (): Promise<Session> => get('');
export const signOut = (): Promise<void> => remove('');
export const getMethods = (): Promise<Methods> => get('/methods');

export const signInWithPassword = (email: string, password: string): Promise<Outcome> => post('', { email, password });
export const sendCode = (code: string): Promise<Outcome> => post('/second-factor', { code });
export const askMagicLink = (email: string): Promise<void> => post('/magic-links', { email });
export const useMagicLink = (token: string): Promise<Outcome> => post('/magic-link', { token });
export const askPasswordReset = (email: string): Promise<void> => post('/password-reset', { email });
export const resetPassword = (token: string, password: string): Promise<void> =>
  post('/password-reset/complete', { token, password });
export const acceptInvitation = (token: string, fields: { name?: string; password?: string }): Promise<Outcome> =>
  post('/invitation', { token, ...fields });

export const askPasskeyChallenge = (): Promise<PublicKeyCredentialRequestOptionsJSON> => post('/passkey/options');
export const signInWithPasskey = (credential: AuthenticationResponseJSON): Promise<Outcome> =>
  post('/passkey/verify', { credential });

/** Addresses that the browser goes to; what came of it is in the fragment it comes back with. */
export function startUrl(provider: string): string {
  const url = at(`/oidc/${provider}/start`);
  url.searchParams.set('returnTo', location.pathname + location.hash);
  return url.href;
}
export const linkUrl = (provider: string): string => at(`/oidc/${provider}/link`).href;

export const prove = (given: { password?: string; code?: string }): Promise<void> => post('/prove', given);
export const proveWithPasskey = (credential: AuthenticationResponseJSON): Promise<void> =>
  post('/passkeys/prove', { credential });
export const changePassword = (newPassword: string, currentPassword?: string): Promise<void> =>
  request(at('/password'), jsonBody('PUT', { newPassword, ...(currentPassword && { currentPassword }) }));

export const listPasskeys = (): Promise<readonly PasskeyRow[]> => items('/passkeys');
export const askNewPasskey = (): Promise<PublicKeyCredentialCreationOptionsJSON> => post('/passkeys/options');
export const addPasskey = (credential: RegistrationResponseJSON): Promise<PasskeyRow> =>
  post('/passkeys/verify', { credential });
export const renamePasskey = (id: string, name: string): Promise<PasskeyRow> =>
  request(at(`/passkeys/${id}`), jsonBody('PATCH', { name }));
export const removePasskey = (id: string): Promise<void> => remove(`/passkeys/${id}`);

export const listIdentities = (): Promise<readonly IdentityRow[]> => items('/identities');
export const unlinkIdentity = (id: string): Promise<void> => remove(`/identities/${id}`);

export const getTotp = (): Promise<Totp> => get('/totp');
export const beginTotp = (): Promise<TotpSetup> => post('/totp');
export const confirmTotp = (code: string): Promise<{ readonly recoveryCodes: readonly string[] }> =>
  post('/totp/confirm', { code });
export const turnTotpOff = (): Promise<void> => remove('/totp');
export const renewRecoveryCodes = (): Promise<{ readonly recoveryCodes: readonly string[] }> => post('/recovery-codes');

export const listSessions = (): Promise<readonly SessionRow[]> => items('/sessions');
export const endSession = (id: string): Promise<void> => remove(`/sessions/${id}`);
export const endOtherSessions = (): Promise<void> => remove('/sessions');
