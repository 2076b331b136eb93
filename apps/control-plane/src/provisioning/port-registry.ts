import type { Tx } from '#libs/database';
import { PortRangeFull } from './provisioning.errors.js';

export interface PortRange {
  readonly id: string;
  readonly name: string;
  readonly portFrom: number;
  readonly portTo: number;
}

/** A gateway listens on its port and on the next one. */
export const isOutside = (port: number, { portFrom, portTo }: Pick<PortRange, 'portFrom' | 'portTo'>): boolean =>
  port < portFrom || port + 1 > portTo;

/**
 * The lowest port of the host that no gateway has, also none that is being deleted: theirs is free once nothing of them is
 * left. Whoever asks holds the host's ports until the end of the transaction. `taken`: those above it come first.
 * Throws PortRangeFull.
 */
export async function freePort(tx: Tx, host: PortRange, taken = 0): Promise<number> {
  await tx.$executeRaw`SELECT pg_advisory_xact_lock(hashtextextended(${`ports:${host.id}`}, 0))`;
  const rows = await tx.$queryRaw<{ port: number }[]>`
    SELECT p AS port FROM generate_series(${host.portFrom}::int, ${host.portTo}::int - 1, 2) p
    WHERE NOT EXISTS (SELECT 1 FROM gateways g WHERE g.host_id = ${host.id} AND g.port = p)
    ORDER BY (p <= ${taken}), p LIMIT 1`;
  if (!rows[0]) throw new PortRangeFull(host.name, host.portFrom, host.portTo);
  return rows[0].port;
}

/** Another port for a gateway whose own is taken by a stranger. Throws PortRangeFull. */
export async function anotherPort(tx: Tx, hostId: string, taken: number): Promise<number> {
  return freePort(tx, await tx.host.findUniqueOrThrow({ where: { id: hostId } }), taken);
}
