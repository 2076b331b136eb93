import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Provider } from 'oidc-provider';

export interface TestProvider {
  readonly issuer: string;
  /** Accounts by id, with the claims they have. */
  readonly accounts: Map<string, Record<string, unknown>>;
  /** Who is at the keyboard when the provider asks; undefined: they say no. */
  person: string | undefined;
  close(): Promise<void>;
}

export const CLIENT = { clientId: 'wirebot', clientSecret: 'a-secret-of-the-client' } as const;

/** A real OpenID provider (the `oidc-provider` package) on this machine, whose people answer at once. */
export async function startOpenIdProvider(callbacks: readonly string[]): Promise<TestProvider> {
  let serve: (request: IncomingMessage, response: ServerResponse) => void = () => undefined;
  const server = createServer((request, response) => serve(request, response));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const accounts = new Map<string, Record<string, unknown>>();
  const provider = createProvider(issuer, callbacks, accounts);
  const state: { person: string | undefined } = { person: undefined };
  const handle = provider.callback();
  serve = (request, response) => {
    if (!request.url?.startsWith('/interaction/')) return void handle(request, response);
    const result = state.person
      ? { login: { accountId: state.person } }
      : { error: 'access_denied', error_description: 'The person said no' };
    void provider.interactionFinished(request, response, result, { mergeWithLastSubmission: false });
  };
  return Object.assign(state, {
    issuer,
    accounts,
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  });
}

function createProvider(
  issuer: string,
  callbacks: readonly string[],
  accounts: ReadonlyMap<string, Record<string, unknown>>,
): Provider {
  const provider = new Provider(issuer, {
    clients: [
      {
        client_id: CLIENT.clientId,
        client_secret: CLIENT.clientSecret,
        redirect_uris: [...callbacks],
        token_endpoint_auth_method: 'client_secret_post',
      },
    ],
    claims: { openid: ['sub'], email: ['email', 'email_verified'], profile: ['name'] },
    cookies: { keys: ['a key of this test'] },
    features: { devInteractions: { enabled: false } },
    pkce: { required: () => true },
    findAccount: (_context, accountId) => ({
      accountId,
      claims: () => ({ sub: accountId, ...accounts.get(accountId) }),
    }),
    interactions: { url: (_context, { uid }) => `/interaction/${uid}` },
    // Nobody is asked for consent.
    loadExistingGrant: async (context) => {
      const grant = new context.oidc.provider.Grant({
        clientId: context.oidc.client!.clientId,
        accountId: context.oidc.session!.accountId!,
      });
      grant.addOIDCScope('openid email profile');
      await grant.save();
      return grant;
    },
  });
  return provider;
}
