import { Injectable } from '@nestjs/common';
import { Gauge } from 'prom-client';
import { Database } from '#libs/database';
import { Metrics } from '#libs/telemetry';

interface Sample {
  readonly labels: Record<string, string>;
  readonly value: number;
}

/** How much there is of what, as the rows say at the moment of the scrape. Every control plane says the same. */
@Injectable()
export class FleetGauges {
  constructor(
    metrics: Metrics,
    private readonly database: Database,
  ) {
    this.#gauge(metrics, 'rows', 'Gateways and agents by phase.', ['resource', 'phase'], () => this.#rows());
    this.#gauge(metrics, 'inventory_findings', 'What is on hosts and in no row.', ['reason', 'state'], () =>
      this.#findings(),
    );
    this.#gauge(metrics, 'hosts', 'Hosts by state; silent: does not answer.', ['state', 'silent'], () => this.#hosts());
    this.#gauge(metrics, 'gateways_quarantined', 'Gateways that an operator holds.', [], () => this.#quarantined());
    this.#gauge(metrics, 'due_oldest_age_seconds', 'How long the row that is due longest has waited.', [], () =>
      this.#oldestDue(),
    );
  }

  /** While the database is away there are no samples: the other metrics matter most just then. */
  #gauge(metrics: Metrics, name: string, help: string, labelNames: string[], read: () => Promise<Sample[]>): void {
    const gauge: Gauge = new Gauge({
      name: `wirebot_${name}`,
      help,
      labelNames,
      registers: [metrics.registry],
      collect: async () => {
        const samples = await read().catch(() => []);
        gauge.reset();
        for (const { labels, value } of samples) gauge.set(labels, value);
      },
    });
  }

  async #rows(): Promise<Sample[]> {
    const rows = await this.database.raw.$queryRaw<{ resource: string; phase: string; n: number }[]>`
      SELECT 'gateway' AS resource, phase, count(*)::int AS n FROM gateways WHERE phase <> 'deleted' GROUP BY phase
      UNION ALL SELECT 'agent', phase, count(*)::int FROM agents WHERE phase <> 'deleted' GROUP BY phase`;
    return rows.map(({ resource, phase, n }) => ({ labels: { resource, phase }, value: n }));
  }

  async #findings(): Promise<Sample[]> {
    const rows = await this.database.raw.$queryRaw<{ reason: string; state: string; n: number }[]>`
      SELECT reason, state, count(*)::int AS n FROM inventory_findings WHERE resolved_at IS NULL GROUP BY reason, state`;
    return rows.map(({ reason, state, n }) => ({ labels: { reason, state }, value: n }));
  }

  async #hosts(): Promise<Sample[]> {
    const rows = await this.database.raw.$queryRaw<{ state: string; silent: boolean; n: number }[]>`
      SELECT state, silent_since IS NOT NULL AS silent, count(*)::int AS n FROM hosts WHERE state <> 'removed' GROUP BY 1, 2`;
    return rows.map(({ state, silent, n }) => ({ labels: { state, silent: String(silent) }, value: n }));
  }

  async #quarantined(): Promise<Sample[]> {
    const where = { quarantinedAt: { not: null }, phase: { not: 'deleted' } };
    return [{ labels: {}, value: await this.database.raw.gateway.count({ where }) }];
  }

  async #oldestDue(): Promise<Sample[]> {
    const rows = await this.database.raw.$queryRaw<{ age: number }[]>`
      SELECT coalesce(max(extract(epoch FROM now() - due_at)), 0)::double precision AS age FROM
        (SELECT due_at, lease_until FROM gateways UNION ALL SELECT due_at, lease_until FROM agents) AS due
      WHERE due_at <= now() AND (lease_until IS NULL OR lease_until < now())`;
    return [{ labels: {}, value: rows[0]?.age ?? 0 }];
  }
}
