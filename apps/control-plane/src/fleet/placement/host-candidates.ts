import type { Tx } from '#libs/database';
import type { HostFactsRecord } from '../host-facts.js';
import type { HostCandidate, HostCapacity } from './host-choice.js';

interface Row {
  readonly id: string;
  readonly name: string;
  readonly state: string;
  readonly silent: boolean;
  readonly labels: Record<string, string>;
  readonly capacity: HostCapacity;
  readonly facts: HostFactsRecord | null;
  readonly gateways: number;
  readonly memory_mb: number;
  readonly cpus: number;
  readonly free_ports: number;
}

const MB = 1024 * 1024;

/** Every host that is not removed, with what its gateways may take together, asleep or not: each may need it any time. */
export async function readHostCandidates(tx: Tx): Promise<HostCandidate[]> {
  const rows = await tx.$queryRaw<Row[]>`
    SELECT h.id, h.name, h.state, h.silent_since IS NOT NULL AS silent, h.labels, h.capacity, h.facts,
      count(g.id)::int AS gateways,
      coalesce(sum((g.resources->>'memoryMb')::float8), 0)::float8 AS memory_mb,
      coalesce(sum((g.resources->>'cpus')::float8), 0)::float8 AS cpus,
      greatest(0, ((h.port_to - h.port_from + 1) / 2) - count(g.port) FILTER (WHERE g.port BETWEEN h.port_from AND h.port_to))::int AS free_ports
    FROM hosts h LEFT JOIN gateways g ON g.host_id = h.id AND g.phase NOT IN ('deleted', 'lost')
    WHERE h.state <> 'removed' GROUP BY h.id ORDER BY h.name`;
  return rows.map(toCandidate);
}

function toCandidate(row: Row): HostCandidate {
  const { id, name, state, silent, labels, capacity, facts, gateways, cpus } = row;
  const disk = facts?.disk;
  return {
    id,
    name,
    state,
    silent,
    labels,
    capacity,
    gateways,
    cpus,
    memoryMb: row.memory_mb,
    freePorts: row.free_ports,
    freeDiskMb: disk ? Math.floor(disk.freeBytes / MB) : null,
    machineMemoryMb: facts?.memoryBytes ? facts.memoryBytes / MB : null,
  };
}
