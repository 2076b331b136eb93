import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';

export interface CrookedProvider {
  readonly issuer: string;
  readonly key: CryptoKey;
  /** The ID token of the next sign-in, made from what an honest one would say. */
  idToken: (honest: Record<string, unknown>) => Promise<string | undefined>;
  /** Metadata, before it is answered. */
  metadata: (honest: Record<string, unknown>) => Record<string, unknown>;
  readonly calls: string[];
  close(): Promise<void>;
}

export const sign = (claims: Record<string, unknown>, key: CryptoKey | Uint8Array, alg = 'RS256'): Promise<string> =>
  new SignJWT(claims).setProtectedHeader({ alg, kid: 'k1' }).sign(key);

/** Speaks OpenID Connect on the wire and answers what a test wants: for what no honest provider would send. */
export async function startCrookedProvider(): Promise<CrookedProvider> {
  const { privateKey, publicKey } = await generateKeyPair('RS256', { extractable: true });
  const jwks = { keys: [{ ...(await exportJWK(publicKey)), kid: 'k1', alg: 'RS256', use: 'sig' }] };
  const nonces = new Map<string, string>();
  const calls: string[] = [];
  const server = createServer((request, response) => void serve(request, response));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const provider: CrookedProvider = {
    issuer,
    key: privateKey,
    idToken: (honest) => sign(honest, privateKey),
    metadata: (honest) => honest,
    calls,
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };

  async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', issuer);
    calls.push(url.pathname);
    if (url.pathname === '/.well-known/openid-configuration')
      return json(response, provider.metadata(metadata(issuer)));
    if (url.pathname === '/jwks') return json(response, jwks);
    if (url.pathname === '/authorize') return authorize(url, response);
    if (url.pathname === '/token') return token(request, response);
    json(response, { error: 'not here' }, 404);
  }

  function authorize(url: URL, response: ServerResponse): void {
    const back = new URL(url.searchParams.get('redirect_uri')!);
    const code = `code-${nonces.size}`;
    nonces.set(code, url.searchParams.get('nonce') ?? '');
    back.searchParams.set('code', code);
    back.searchParams.set('state', url.searchParams.get('state') ?? '');
    response.writeHead(302, { location: back.href }).end();
  }

  async function token(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const form = new URLSearchParams(Buffer.concat(chunks).toString());
    const now = Math.floor(Date.now() / 1_000);
    const honest = {
      iss: issuer,
      aud: 'wirebot',
      sub: 'mia',
      nonce: nonces.get(form.get('code') ?? ''),
      iat: now,
      exp: now + 300,
      email: 'mia@acme.test',
      email_verified: true,
    };
    const id_token = await provider.idToken(honest);
    json(response, { access_token: 'at', token_type: 'Bearer', ...(id_token === undefined ? {} : { id_token }) });
  }

  return provider;
}

/** As careless as metadata can be: every algorithm is said to be fine. */
const metadata = (issuer: string): Record<string, unknown> => ({
  issuer,
  authorization_endpoint: `${issuer}/authorize`,
  token_endpoint: `${issuer}/token`,
  jwks_uri: `${issuer}/jwks`,
  response_types_supported: ['code'],
  subject_types_supported: ['public'],
  id_token_signing_alg_values_supported: ['RS256', 'HS256', 'none'],
});

function json(response: ServerResponse, body: unknown, status = 200): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
}
