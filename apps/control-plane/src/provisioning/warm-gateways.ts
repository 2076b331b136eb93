import { Injectable } from '@nestjs/common';
import type { GatewayState } from '#libs/drivers/core';
import type { Lease } from '#libs/database';
import { type Outcome } from './outcome.js';
import type { GatewayRecord } from './resources.repository.js';

/** Gateways made ahead, and the moment in which one becomes somebody's. */
@Injectable()
export class WarmGateways {
  /** Of a warm gateway (`pool`), or one that was claimed and does not know it yet; undefined: go on as with any other. */
  async continue(
    _gateway: GatewayRecord,
    _state: GatewayState,
    _lease: Lease,
    _signal: AbortSignal,
  ): Promise<Outcome | undefined> {
    return undefined;
  }
}
