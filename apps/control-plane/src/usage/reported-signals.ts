import { Injectable, Optional } from '@nestjs/common';
import type { TrustSignalReport } from '#libs/contracts';
import { Log } from '../log.js';
import { TrustSignals } from '../trust/trust-signals.js';

/** Hands what proxies saw of members to those who judge it. A report of usage never fails for it. */
@Injectable()
export class ReportedSignals {
  constructor(
    private readonly log: Log,
    @Optional() private readonly trust?: TrustSignals,
  ) {}

  async pass(signals: readonly TrustSignalReport[]): Promise<void> {
    for (const { tenantId, memberId, kind, count } of signals) {
      try {
        await this.trust?.record(tenantId, memberId, kind, count);
      } catch (err) {
        this.log.warn({ err, tenantId, memberId, kind }, 'trust signal not recorded');
      }
    }
  }
}
