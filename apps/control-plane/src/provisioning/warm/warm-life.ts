import { Injectable } from '@nestjs/common';
import type { Lease } from '#libs/database';
import type { GatewayState } from '#libs/drivers/core';
import type { Outcome } from '../outcome.js';
import type { GatewayRecord } from '../resources.repository.js';
import { WarmGateways } from './warm-gateways.js';
import { isClaimed, WarmHandover } from './warm-handover.js';

/** Gateways made ahead, and the moment in which one becomes somebody's. */
@Injectable()
export class WarmLife {
  constructor(
    private readonly pool: WarmGateways,
    private readonly handover: WarmHandover,
  ) {}

  /** Undefined: a gateway like any other. */
  async continue(
    gateway: GatewayRecord,
    state: GatewayState,
    lease: Lease,
    signal: AbortSignal,
  ): Promise<Outcome | undefined> {
    if (gateway.pool === 'warm') return this.pool.continue(gateway, state, lease, signal);
    return isClaimed(gateway) ? this.handover.continue(gateway, state, lease, signal) : undefined;
  }
}
