import { Injectable } from '@nestjs/common';
import { Metrics } from '#libs/telemetry';

/** How long gateways and agents stay in each phase: what is slow, and where it gets stuck. */
@Injectable()
export class PhaseMetrics {
  readonly #durations;

  constructor(metrics: Metrics) {
    this.#durations = metrics.duration('phase', 'Time that a gateway or agent spent in a phase before the next one.', [
      'resource',
      'phase',
      'next',
    ]);
  }

  left(resource: 'gateway' | 'agent', phase: string, next: string, milliseconds: number): void {
    this.#durations.observe({ resource, phase, next }, milliseconds / 1_000);
  }
}
