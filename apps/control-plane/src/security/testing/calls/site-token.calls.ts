import type { RouteCalls } from '../route-call.js';

/** Tokens of the membership site itself. The last call ends every token of the tenant. */
export const SITE_TOKEN_CALLS: RouteCalls = {
  'POST /v1/tokens/exchange': {
    open: 'the token in the body is the credential; it is limited by address',
    body: { tenant: 'own', token: 'no.such.token' },
    good: [401],
  },
  'POST /internal/token-exchange': {
    target: async ({ tenantId }) => [tenantId],
    body: ([tenantId]) => ({ tenantId, token: 'no.such.token' }),
    good: [401],
  },
  'POST /internal/provider-keys/refused': { body: { id: 'sec_none', version: 1 }, good: [204, 404] },
  'POST /internal/provider-keys/reseal': { body: { id: 'sec_none', version: 1, jwe: 'a.b.c.d.e' }, good: [503] }, // no broker's key here
  'PUT /v1/shared-secret-issuer': { body: { issuer: 'site' } },
  'GET /v1/shared-secret-issuer': {},
  'DELETE /v1/shared-secret-issuer': {},
};
