import { Injectable } from '@nestjs/common';
import { Database } from '#libs/database';
import type { GatewayRecord } from '../resources.repository.js';

/** How long a replaced gateway is looked at before its agents are reachable again, unless its rollout says otherwise. */
export const VERIFY_SECONDS = 1;

/** What a gateway's rollout asks of its upgrade. */
@Injectable()
export class UpgradePolicies {
  constructor(private readonly database: Database) {}

  async verifySeconds(gateway: GatewayRecord): Promise<number> {
    const { rolloutId: id } = gateway;
    if (!id) return VERIFY_SECONDS;
    const row = await this.database.raw.rollout.findUnique({ where: { id }, select: { policy: true } });
    const { verifySeconds } = (row?.policy ?? {}) as { verifySeconds?: number };
    return verifySeconds ?? VERIFY_SECONDS;
  }
}
