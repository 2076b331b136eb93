import { Injectable } from '@nestjs/common';
import type { GatewayStatus } from '#libs/contracts';
import type { Lease } from '#libs/database';
import { type Outcome } from './outcome.js';
import type { GatewayRecord } from './resources.repository.js';

/** Puts gateways to sleep on which nothing happens, and wakes them. */
@Injectable()
export class GatewaySleep {
  /** Of a ready gateway whose configuration is current: undefined when it stays awake. */
  async consider(
    _gateway: GatewayRecord,
    _status: GatewayStatus,
    _lease: Lease,
    _signal: AbortSignal,
  ): Promise<Outcome | undefined> {
    return undefined;
  }

  /** Of a gateway that should run and sleeps: undefined when it has to be started like any other. */
  async continue(_gateway: GatewayRecord, _lease: Lease, _signal: AbortSignal): Promise<Outcome | undefined> {
    return undefined;
  }
}
