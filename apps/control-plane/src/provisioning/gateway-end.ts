import { Injectable } from '@nestjs/common';
import { type Lease, Prisma } from '#libs/database';
import { GatewayHost } from './gateway-host.js';
import { GatewayRows } from './gateway-rows.js';
import { type Outcome, again, settled } from './outcome.js';
import type { GatewayRecord } from './resources.repository.js';
import { StepObserver } from './steps.js';

/** Ends a gateway: stopped with its state kept, or gone with all it had. */
@Injectable()
export class GatewayEnd {
  constructor(
    private readonly host: GatewayHost,
    private readonly rows: GatewayRows,
    private readonly steps: StepObserver,
  ) {}

  async stop(gateway: GatewayRecord, lease: Lease, signal: AbortSignal): Promise<Outcome> {
    if (gateway.phase === 'suspended') return settled;
    if (gateway.phase !== 'draining') {
      await this.rows.save(gateway, lease, { phase: gateway.phase === 'pending' ? 'suspended' : 'draining' });
      return again;
    }
    await this.host.stop(gateway, signal);
    this.steps.reached('gateway', gateway.phase, 'stopped');
    const condition = {
      type: 'Ready',
      status: false,
      reason: 'stopped',
      message: 'Stopped on purpose; its state is kept.',
    };
    await this.rows.settle(gateway, lease, { phase: 'suspended', condition, data: { failures: 0 } });
    return settled;
  }

  async delete(gateway: GatewayRecord, lease: Lease, signal: AbortSignal): Promise<Outcome> {
    if (gateway.phase !== 'deleting') {
      await this.rows.save(gateway, lease, { phase: 'deleting' });
      return again;
    }
    await this.host.remove(gateway, signal);
    this.steps.reached('gateway', gateway.phase, 'removed');
    await this.host.destroy(gateway, signal);
    this.steps.reached('gateway', gateway.phase, 'destroyed');
    await this.rows.settle(gateway, lease, {
      phase: 'deleted',
      data: { port: null, address: Prisma.DbNull, failures: 0 },
    });
    return settled;
  }
}
