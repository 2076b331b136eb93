import type { RouteCalls } from '../route-call.js';
import { newId } from '../world.js';

/** What the installation itself answers: health, keys, proxies. */
export const PLATFORM_CALLS: RouteCalls = {
  'GET /health': { open: 'load balancers ask it' },
  'GET /ready': { open: 'load balancers ask it' },
  'GET /metrics': { unscoped: 'any operator key may be a scraper’s' },
  'GET /.well-known/jwks.json': { open: 'public keys, which verify member tokens' },
  'GET /internal/routes': { endless: true },
  'POST /internal/sign-in/exchange': {
    target: async ({ tenantId }) => [tenantId],
    body: ([tenantId]) => ({ tenantId, code: 'no-such-code' }),
    good: [401],
  },
  'POST /internal/sign-in/sign-out': {
    target: async ({ tenantId, memberId }) => [tenantId, memberId],
    body: ([tenantId, memberId]) => ({ tenantId, memberId, jti: newId('tok') }),
  },
};
