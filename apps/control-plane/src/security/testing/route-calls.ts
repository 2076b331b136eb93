import { ADMIN_CALLS } from './calls/admin.calls.js';
import { CARE_CALLS } from './calls/care.calls.js';
import { BACKUP_CALLS } from './calls/backup.calls.js';
import { CONSOLE_CALLS } from './calls/console.calls.js';
import { FEDERATION_CALLS } from './calls/federation.calls.js';
import { HOST_CALLS } from './calls/host.calls.js';
import { PLATFORM_CALLS } from './calls/platform.calls.js';
import { ROLLOUT_CALLS } from './calls/rollout.calls.js';
import { SITE_TOKEN_CALLS } from './calls/site-token.calls.js';
import { SLEEP_CALLS } from './calls/sleep.calls.js';
import { STAFF_CALLS } from './calls/staff.calls.js';
import { TENANT_CALLS } from './calls/tenant.calls.js';
import { TIER_CALLS } from './calls/tier.calls.js';
import { TRUST_CALLS } from './calls/trust.calls.js';
import { USAGE_CALLS } from './calls/usage.calls.js';
import { WARM_POOL_CALLS } from './calls/warm-pool.calls.js';
import { WORKSPACE_CALLS } from './calls/workspace.calls.js';
import type { RouteCalls } from './route-call.js';

/** Every route of the control plane, with a valid way to call it. */
export const ROUTE_CALLS: RouteCalls = {
  ...PLATFORM_CALLS,
  ...ADMIN_CALLS,
  ...CARE_CALLS,
  ...BACKUP_CALLS,
  ...CONSOLE_CALLS,
  ...FEDERATION_CALLS,
  ...HOST_CALLS,
  ...ROLLOUT_CALLS,
  ...SLEEP_CALLS,
  ...STAFF_CALLS,
  ...TIER_CALLS,
  ...TRUST_CALLS,
  ...USAGE_CALLS,
  ...WARM_POOL_CALLS,
  ...WORKSPACE_CALLS,
  // These two end tokens, and close the tenant.
  ...SITE_TOKEN_CALLS,
  ...TENANT_CALLS,
};
