import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface GitHubDouble {
  readonly issuer: string;
  user: Record<string, unknown>;
  emails: readonly Record<string, unknown>[];
  close(): Promise<void>;
}

/**
 * GitHub as an enterprise server speaks on the wire: the OAuth web flow and two calls of its API.
 * Source: docs.github.com, "Authorizing OAuth apps", "Troubleshooting OAuth app access token request errors", REST "Users".
 */
export async function startGitHub(client: { clientId: string; clientSecret: string }): Promise<GitHubDouble> {
  const codes = new Map<string, { readonly challenge: string; readonly redirect: string }>();
  const tokens = new Set<string>();
  const server = createServer((request, response) => void serve(request, response));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const double: GitHubDouble = {
    issuer,
    user: {
      login: 'mia-dev',
      id: 583_231,
      node_id: 'MDQ6VXNlcjU4MzIzMQ==',
      name: 'Mia Maker',
      email: null,
      type: 'User',
    },
    emails: [],
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };

  async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', issuer);
    if (url.pathname === '/login/oauth/authorize') return authorize(url, response);
    if (url.pathname === '/login/oauth/access_token') return token(request, response);
    const given = /^bearer (.+)$/i.exec(request.headers.authorization ?? '')?.[1];
    if (!tokens.has(given ?? '')) return json(response, { message: 'Bad credentials', status: '401' }, 401);
    if (!request.headers['user-agent']) return json(response, { message: 'User-Agent is missing' }, 403);
    if (url.pathname === '/api/v3/user') return json(response, double.user);
    if (url.pathname === '/api/v3/user/emails') return json(response, double.emails);
    json(response, { message: 'Not Found', status: '404' }, 404);
  }

  function authorize(url: URL, response: ServerResponse): void {
    const query = url.searchParams;
    const code = createHash('sha256').update(`${Math.random()}`).digest('hex').slice(0, 20);
    const redirect = query.get('redirect_uri')!;
    codes.set(code, { challenge: query.get('code_challenge') ?? '', redirect });
    const back = new URL(redirect);
    back.searchParams.set('code', code);
    back.searchParams.set('state', query.get('state') ?? '');
    response.writeHead(302, { location: back.href }).end();
  }

  async function token(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const form = new URLSearchParams(Buffer.concat(chunks).toString());
    const { clientId, clientSecret } = client;
    if (form.get('client_id') !== clientId || form.get('client_secret') !== clientSecret)
      return json(response, { error: 'incorrect_client_credentials', error_description: 'wrong' });
    const grant = codes.get(form.get('code') ?? '');
    codes.delete(form.get('code') ?? '');
    const challenge = createHash('sha256')
      .update(form.get('code_verifier') ?? '')
      .digest('base64url');
    // Faults come with status 200.
    if (grant?.challenge !== challenge || grant.redirect !== form.get('redirect_uri'))
      return json(response, { error: 'bad_verification_code', error_description: 'The code is incorrect or expired.' });
    const access_token = `gho_${createHash('sha256').update(challenge).digest('hex').slice(0, 36)}`;
    tokens.add(access_token);
    json(response, { access_token, scope: 'read:user,user:email', token_type: 'bearer' });
  }

  return double;
}

function json(response: ServerResponse, body: unknown, status = 200): void {
  response.writeHead(status, { 'content-type': 'application/json; charset=utf-8' }).end(JSON.stringify(body));
}
