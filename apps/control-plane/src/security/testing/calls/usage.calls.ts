import { aMember, type RouteCalls } from '../route-call.js';

const NOTHING = { broker: 'broker', boot: 'boot', asks: [], renew: [], returns: [], forgetFormer: false };

/** What model calls used. */
export const USAGE_CALLS: RouteCalls = {
  'POST /internal/usage': { body: { records: [], signals: [] } },
  'POST /internal/quota/leases': { body: NOTHING },
  'GET /v1/admin/usage': {},
  'GET /v1/me/usage': {},
  'GET /v1/members/:externalId/usage': { target: aMember },
  'GET /v1/usage': {},
  'GET /v1/usage/export': {},
  'GET /v1/usage/today': {},
};
