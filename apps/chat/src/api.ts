import type { SessionView } from '#libs/contracts';
import { jsonBody, request } from '#libs/browser';

export interface Brand {
  readonly name: string;
  readonly accent: string;
  readonly greeting: string;
}

export interface SignedIn {
  readonly agentId: string;
  readonly memberName: string;
  readonly expiresAt: string;
}

export type SessionSummary = Pick<SessionView, 'session' | 'title' | 'updatedAt'>;

/** The tenant base this page is served below: every address it uses is relative to it. */
export const base = (): URL => new URL('./', location.href.split('#')[0]);

const at = (path: string): URL => new URL(path, base());

export const getBrand = (): Promise<Brand> => request<Brand>(at('brand.json'));
export const exchangeCode = (code: string): Promise<SignedIn> =>
  request<SignedIn>(at('auth/exchange'), jsonBody('POST', { code }));
export const getMe = (): Promise<SignedIn> => request<SignedIn>(at('auth/me'));
export const signOut = (): Promise<void> => request<void>(at('auth/sign-out'), jsonBody('POST', {}));
export const getSession = (id: string): Promise<SessionView> =>
  request<SessionView>(at(`session/${encodeURIComponent(id)}`));

export const listSessions = async (): Promise<readonly SessionSummary[]> =>
  (await request<{ readonly items: readonly SessionSummary[] }>(at('sessions'))).items;

export function socketUrl(): URL {
  const url = at('ws');
  url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:';
  return url;
}
