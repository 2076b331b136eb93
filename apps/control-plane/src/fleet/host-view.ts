import type { HostConnection } from '#libs/drivers/core';
import { etagOf } from '../http/etag.js';
import { factsOf } from './host-facts.js';
import type { HostRow } from './hosts.service.js';
import type { HostCapacity } from './placement/host-choice.js';

export interface HostUse {
  readonly gateways: number;
  /** Agents whose folder is there. */
  readonly agents: number;
  /** What its gateways may take together. */
  readonly memoryMb: number;
  readonly cpus: number;
  readonly freePorts: number;
}

/** An agent that should leave and cannot, and why. */
export interface HeldUp {
  readonly agentId: string;
  readonly reason: string;
  readonly message: string;
}

export interface HostView {
  readonly id: string;
  readonly name: string;
  readonly driver: string;
  /** Without credentials: they are never shown. */
  readonly connection: HostConnection;
  readonly hasCredentials: boolean;
  readonly state: string;
  readonly stateSince: string;
  /** Why it is in this state, or what became of it. */
  readonly reason: string | null;
  readonly lastSeenAt: string | null;
  /** Since when it does not answer; null while it does. */
  readonly silentSince: string | null;
  readonly labels: Readonly<Record<string, string>>;
  readonly capacity: HostCapacity;
  readonly ports: { readonly from: number; readonly to: number };
  readonly use: HostUse;
  /** What the machine has and has left; null: not known. */
  readonly machine: {
    readonly cpus: number;
    readonly memoryBytes: number;
    readonly disk: { readonly totalBytes: number; readonly freeBytes: number } | null;
  } | null;
  readonly isolation: string | null;
  /** Where its gateways reach the model broker. */
  readonly brokerAddress: string | null;
  /** While it is emptied: how many agents are left, how many of them move now, and who cannot. */
  readonly drain: { readonly left: number; readonly moving: number; readonly heldUp: readonly HeldUp[] } | null;
  readonly createdAt: string;
}

export interface HostDetail {
  readonly use: HostUse;
  readonly hasCredentials: boolean;
  readonly drain: HostView['drain'];
}

export function toHostView(row: HostRow, { use, hasCredentials, drain }: HostDetail): HostView {
  const facts = factsOf(row.facts);
  return {
    id: row.id,
    name: row.name,
    driver: row.driver,
    connection: row.connection as unknown as HostConnection,
    hasCredentials,
    state: row.state,
    stateSince: row.stateSince.toISOString(),
    reason: row.reason,
    lastSeenAt: row.lastSeenAt?.toISOString() ?? null,
    silentSince: row.silentSince?.toISOString() ?? null,
    labels: row.labels as Record<string, string>,
    capacity: row.capacity as HostCapacity,
    ports: { from: row.portFrom, to: row.portTo },
    use,
    machine: facts ? { cpus: facts.cpus, memoryBytes: facts.memoryBytes, disk: facts.disk } : null,
    isolation: facts?.isolation ?? null,
    brokerAddress: facts?.hostAddressForGateways ?? null,
    drain,
    createdAt: row.createdAt.toISOString(),
  };
}

/** Of what an operator may change; use and facts change by themselves. */
export const hostEtag = (row: HostRow): string =>
  etagOf(
    row.id,
    row.name,
    row.state,
    row.portFrom,
    row.portTo,
    JSON.stringify([row.connection, row.labels, row.capacity]),
  );
