import { Injectable } from '@nestjs/common';
import type { Lease } from '#libs/database';
import { type Outcome } from './outcome.js';
import type { GatewayRecord } from './resources.repository.js';

/** Brings one gateway to another image: rehearsed on a copy, replaced, looked at, and taken back when it is not well. */
@Injectable()
export class GatewayUpgrade {
  /** Of a ready gateway with a `targetImage`, or one in a phase of an upgrade; undefined: there is nothing to do. */
  async continue(_gateway: GatewayRecord, _lease: Lease, _signal: AbortSignal): Promise<Outcome | undefined> {
    return undefined;
  }
}
