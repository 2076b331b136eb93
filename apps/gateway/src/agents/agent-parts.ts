import type { Clock, Ids } from '#libs/kernel';
import type { ModelRouter } from '#libs/providers';
import type { Logger } from '#libs/telemetry';
import type { ModelEndpoints } from '../chat/model-endpoints.js';
import type { Activity } from '../load/activity.js';
import type { Turns } from '../load/turns.js';
import type { Metrics } from '../metrics.js';
import type { Agenda } from './agenda.js';

/** What every agent of a gateway shares. */
export interface AgentParts {
  readonly clock: Clock;
  /** Time that never jumps: what nobody used for a while is measured by it. */
  readonly uptime: Clock;
  readonly activity: Activity;
  readonly turns: Turns;
  readonly agendaOf: (agentId: string) => Agenda;
  readonly ids: Ids;
  readonly router: ModelRouter;
  readonly endpoints: ModelEndpoints;
  readonly metrics: Metrics;
  readonly logger: Logger;
}
