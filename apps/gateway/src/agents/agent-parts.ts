import type { Clock, Ids } from '#libs/kernel';
import type { ModelRouter } from '#libs/providers';
import type { Logger } from '#libs/telemetry';
import type { ModelEndpoints } from '../chat/model-endpoints.js';
import type { Metrics } from '../metrics.js';

/** What every agent of a gateway shares. */
export interface AgentParts {
  readonly clock: Clock;
  readonly ids: Ids;
  readonly router: ModelRouter;
  readonly endpoints: ModelEndpoints;
  readonly metrics: Metrics;
  readonly logger: Logger;
}
