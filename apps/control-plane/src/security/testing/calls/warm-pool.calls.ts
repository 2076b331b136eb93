import type { RouteCalls } from '../route-call.js';

/** Gateways made ahead. */
export const WARM_POOL_CALLS: RouteCalls = {
  'GET /v1/admin/warm-pool': {},
  'PUT /v1/admin/warm-pool': { body: { size: 0 } },
};
