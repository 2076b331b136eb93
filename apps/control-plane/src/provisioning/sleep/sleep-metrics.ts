import { Injectable } from '@nestjs/common';
import { Database } from '#libs/database';
import { Metrics } from '#libs/telemetry';

/** Who wanted a gateway awake: somebody at a proxy, a channel's message, a person, a job that is due. */
export type WakeCause = 'request' | 'message' | 'operator' | 'schedule' | 'backup';
/** What it was woken from. */
export type SleepDepth = 'frozen' | 'ended';

/** How often gateways are woken, how long that takes, and how many sleep. */
@Injectable()
export class SleepMetrics {
  readonly #wakes;
  readonly #durations;
  readonly #falls;
  /** Since when a wake is under way here; one that another process finishes is not measured. */
  readonly #waking = new Map<string, { readonly from: SleepDepth; readonly at: number }>();

  constructor(
    metrics: Metrics,
    private readonly database: Database,
  ) {
    this.#wakes = metrics.counter('gateway_wakes_total', 'Gateways that were woken.', ['cause']);
    this.#falls = metrics.counter(
      'gateway_sleeps_total',
      'Gateways that were put to sleep, or stayed awake after all.',
      ['outcome'],
    );
    this.#durations = metrics.duration('gateway_wake', 'From the first look at a wish until routes are live.', [
      'from',
    ]);
    for (const phase of ['paused', 'suspended'] as const)
      metrics.gauge(`gateways_${phase}`, `Gateways that sleep (${phase}).`, [], this.#counting(phase));
  }

  wished(cause: WakeCause): void {
    this.#wakes.inc({ cause });
  }

  fell(outcome: 'paused' | 'suspended' | 'busy'): void {
    this.#falls.inc({ outcome });
  }

  /** False: it is being woken already. */
  waking(gatewayId: string, from: SleepDepth): boolean {
    if (this.#waking.has(gatewayId)) return false;
    this.#waking.set(gatewayId, { from, at: performance.now() });
    return true;
  }

  awake(gatewayId: string): void {
    const begun = this.#waking.get(gatewayId);
    if (!begun) return;
    this.#waking.delete(gatewayId);
    this.#durations.observe({ from: begun.from }, (performance.now() - begun.at) / 1_000);
  }

  /** While the database is away the last count stands: the other metrics matter most just then. */
  #counting(phase: 'paused' | 'suspended'): () => Promise<number> {
    let last = 0;
    return async () => {
      const where = { phase, desiredState: 'running' };
      last = await this.database.once((client) => client.gateway.count({ where })).catch(() => last);
      return last;
    };
  }
}
