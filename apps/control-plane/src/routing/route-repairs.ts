import { Injectable } from '@nestjs/common';
import type { Tx } from '#libs/database';
import { PUBLISH_LOCK } from './route-publisher.js';

/** Changes routes that nobody owns any more: their agents are gone, so no reconciler will. */
@Injectable()
export class RouteRepairs {
  /** Makes it a tombstone, so that every proxy hears of it. False when its agent is there after all. */
  async bury(tx: Tx, agentId: string): Promise<boolean> {
    await tx.$executeRaw`SELECT pg_advisory_xact_lock(${PUBLISH_LOCK})`;
    const changed = await tx.$executeRaw`
      UPDATE routes SET route = NULL, version = nextval('route_version'), txid = pg_current_xact_id()::text::bigint
      WHERE agent_id = ${agentId} AND route IS NOT NULL
        AND NOT EXISTS (SELECT 1 FROM agents WHERE id = ${agentId} AND phase <> 'deleted')`;
    return changed > 0;
  }
}
