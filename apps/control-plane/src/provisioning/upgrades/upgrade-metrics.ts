import { Injectable } from '@nestjs/common';
import { Metrics } from '#libs/telemetry';

export type UpgradeResult = 'succeeded' | 'rolled-back' | 'failed';

/** What becomes of upgrades, and how long members wait for them. */
@Injectable()
export class UpgradeMetrics {
  readonly #ended;
  readonly #held;

  constructor(metrics: Metrics) {
    this.#ended = metrics.counter('gateway_upgrades_total', 'Upgrades of single gateways by what they came to.', [
      'result',
    ]);
    this.#held = metrics.duration('gateway_upgrade_held', 'Time that agents could not be reached for an upgrade.', [
      'result',
    ]);
  }

  ended(result: UpgradeResult, heldMs: number | undefined): void {
    this.#ended.inc({ result });
    if (heldMs !== undefined) this.#held.observe({ result }, heldMs / 1_000);
  }
}
