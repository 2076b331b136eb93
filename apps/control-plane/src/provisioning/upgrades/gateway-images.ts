import { Injectable } from '@nestjs/common';
import { ControlPlaneConfig } from '#libs/config';
import { Database, type Tx } from '#libs/database';

/** Which image gateways that are made now get. */
@Injectable()
export class GatewayImages {
  constructor(
    private readonly config: ControlPlaneConfig,
    private readonly database: Database,
  ) {}

  /** That of the newest rollout to the whole fleet that is through, or at least past its canaries. */
  async forNew(tx: Tx): Promise<string> {
    const rows = await tx.$queryRaw<{ image: string }[]>`
      SELECT image FROM rollouts
      WHERE scope = '{}'::jsonb AND (status = 'succeeded' OR (status = 'running' AND canaries_passed_at IS NOT NULL))
      ORDER BY created_at DESC, id DESC LIMIT 1`;
    return rows[0]?.image ?? this.config.gatewayImage;
  }

  current(): Promise<string> {
    return this.database.system((tx) => this.forNew(tx));
  }
}
