import { Injectable } from '@nestjs/common';
import { Metrics } from '#libs/telemetry';

export type PassOutcome = 'done' | 'lost' | 'failed';

/** How the reconcile loop keeps up: passes, and how long rows were due before somebody took them. */
@Injectable()
export class ReconcileMetrics {
  readonly #passes;
  readonly #lag;

  constructor(metrics: Metrics) {
    this.#passes = metrics.duration('reconcile_pass', 'One pass over a row.', ['resource', 'outcome']);
    this.#lag = metrics.duration('reconcile_lag', 'From when a row was due until somebody took it.', ['resource']);
  }

  /** `lateMs`: how long it had been due; null when it was woken before. */
  taken(table: 'agents' | 'gateways', lateMs: number | null): void {
    if (lateMs !== null) this.#lag.observe({ resource: resourceOf(table) }, lateMs / 1_000);
  }

  passed(table: 'agents' | 'gateways', outcome: PassOutcome, milliseconds: number): void {
    this.#passes.observe({ resource: resourceOf(table), outcome }, milliseconds / 1_000);
  }
}

const resourceOf = (table: 'agents' | 'gateways'): string => table.slice(0, -1);
