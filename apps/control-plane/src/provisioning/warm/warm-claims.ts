import { Injectable } from '@nestjs/common';
import { Prisma, type Tx } from '#libs/database';
import { Metrics } from '#libs/telemetry';
import type { TierResources } from '#libs/trust';

/** A gateway that an agent needs now. */
export interface WantedGateway {
  readonly tenantId: string;
  readonly kind: string;
  readonly runtime: string;
  readonly image: string;
  readonly resources: TierResources;
  /** Of the tenant: hosts may be reserved. */
  readonly slug: string;
  /** Somebody chose this host. */
  readonly hostId: string | null;
}

/** Who claims a gateway is about to use it: it is not put to sleep before. */
const AWAKE_SECONDS = 300;

/** Makes a gateway of the pool a tenant's, in the transaction that places its agent. */
@Injectable()
export class WarmClaims {
  readonly #placements;

  constructor(metrics: Metrics) {
    const help =
      'New gateways for tenants, by whether they were made ahead, took the place of one that was, or neither.';
    this.#placements = metrics.counter('gateway_placements_total', help, ['from']);
  }

  /**
   * The id of a warm gateway that is the tenant's from now on; undefined: none is there, and nobody waits for one. One
   * statement that skips rows which others are taking: no two placements get the same. The process learns of it from the
   * reconciler (`claimed_at` without an observed configuration).
   */
  async claim(tx: Tx, wanted: WantedGateway): Promise<string | undefined> {
    const { cpus, memoryMb, pids } = wanted.resources;
    const rows = await tx.$queryRaw<{ id: string }[]>`
      UPDATE gateways SET
        tenant_id = ${wanted.tenantId}, pool = NULL, claimed_at = now(), kind = ${wanted.kind},
        resources = ${JSON.stringify(wanted.resources)}::jsonb,
        awake_until = now() + make_interval(secs => ${AWAKE_SECONDS}), due_at = now(), updated_at = now()
      WHERE id = (
        SELECT g.id FROM gateways g JOIN hosts h ON h.id = g.host_id
        WHERE g.pool = 'warm' AND g.phase = 'warm' AND g.desired_state = 'running' AND g.quarantined_at IS NULL
          AND g.image = ${wanted.image} AND g.runtime = ${wanted.runtime} AND (g.resources->>'memoryMb')::int = ${memoryMb}
          ${mayUse(wanted)}
          AND NOT EXISTS (SELECT 1 FROM installation i WHERE (i.warm_pool->>'heldUntil')::timestamptz > now())
        ORDER BY (g.resources->>'cpus')::float = ${cpus} AND (g.resources->>'pids')::int = ${pids} DESC, g.created_at
        FOR UPDATE OF g SKIP LOCKED LIMIT 1)
      RETURNING id`;
    this.#placements.inc({ from: rows[0] ? 'pool' : 'cold' });
    return rows[0]?.id;
  }

  /**
   * The place of a gateway of the pool, whatever has become of it so far, for another gateway: its port and its room. For a
   * tenant to whom nothing else is left. Its process is replaced by a fresh one, because it rises a generation. `leastMb`: what
   * it has to make room for, where memory is what is short.
   */
  async takeOver(tx: Tx, wanted: WantedGateway, leastMb: number): Promise<string | undefined> {
    const rows = await tx.$queryRaw<{ id: string }[]>`
      UPDATE gateways SET
        tenant_id = ${wanted.tenantId}, pool = NULL, kind = ${wanted.kind}, runtime = ${wanted.runtime}, image = ${wanted.image},
        resources = ${JSON.stringify(wanted.resources)}::jsonb, generation = generation + 1, failures = 0,
        due_at = now(), updated_at = now()
      WHERE id = (
        SELECT g.id FROM gateways g JOIN hosts h ON h.id = g.host_id
        WHERE g.pool = 'warm' AND g.desired_state = 'running' AND g.port IS NOT NULL
          AND g.phase NOT IN ('lost', 'deleting', 'deleted')
          AND (g.resources->>'memoryMb')::int >= ${leastMb} ${mayUse(wanted)}
        ORDER BY g.phase = 'warm', g.created_at
        FOR UPDATE OF g SKIP LOCKED LIMIT 1)
      RETURNING id`;
    return rows[0]?.id;
  }
}

/** Hosts that take new gateways of this tenant: those reserved for it when there are any, else those reserved for nobody. */
const mayUse = ({ slug, hostId }: WantedGateway): Prisma.Sql => Prisma.sql`
  AND h.state = 'active' AND h.silent_since IS NULL AND h.id = coalesce(${hostId}::text, h.id)
  AND coalesce(h.labels->>'tenant', ${slug}) = ${slug}
  AND (jsonb_exists(h.labels, 'tenant') OR NOT EXISTS (SELECT 1 FROM hosts o WHERE o.labels->>'tenant' = ${slug} AND o.state <> 'removed'))`;
