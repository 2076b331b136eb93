import type { GatewayStatus } from '#libs/contracts';
import { type Cell, overloadOf } from '../placement/cell-choice.js';

export interface BalancedCell extends Cell {
  readonly tenantId: string;
  /** Agents that come or go right now: whatever is done next waits for what becomes of that. */
  readonly moving: number;
}

export interface BalanceRules {
  readonly size: number;
  readonly now: Date;
  readonly merge: boolean;
}

/** Agents that one cell is to give away, and why. */
export interface Relief {
  readonly cell: BalancedCell;
  readonly most: number;
  readonly reason: 'overloaded' | 'nearly-empty';
  readonly message: string;
}

/** Few at a time: the load of a minute says what that has changed before more go. */
const AT_ONCE = 2;
/** A cell with at most this share of its places taken may be merged into others. */
const NEARLY_EMPTY = 0.2;
/** Others are filled by a merge up to this share, so that the next member still finds a place. */
const FILLED = 0.8;

/** What should be given away now: at most one relief for a cell, and none of a tenant whose agents are on the move for a merge. */
export function planBalance(cells: readonly BalancedCell[], rules: BalanceRules): Relief[] {
  const tenants = Map.groupBy(cells, (cell) => cell.tenantId);
  return [...tenants.values()].flatMap((own) => {
    const crowded = own.flatMap((cell) => overloaded(cell, rules.now) ?? []);
    return crowded.length > 0 || !rules.merge ? crowded : (merge(own, rules) ?? []);
  });
}

function overloaded(cell: BalancedCell, now: Date): Relief | undefined {
  const message = overloadOf(cell.load, cell.loadAt, now);
  // One that is alone has nobody to make room for: it needs a gateway of its own, or a smaller job.
  if (message === undefined || cell.moving > 0 || cell.agents < 2) return undefined;
  return { cell, most: Math.min(AT_ONCE, Math.floor(cell.agents / 2)), reason: 'overloaded', message };
}

function merge(own: readonly BalancedCell[], { size, now }: BalanceRules): Relief | undefined {
  const well = own.filter((cell) => cell.agents > 0 && overloadOf(cell.load, cell.loadAt, now) === undefined);
  if (well.length < 2 || own.some((cell) => cell.moving > 0)) return undefined;
  const [least, ...others] = well.sort((a, b) => a.agents - b.agents || a.id.localeCompare(b.id));
  const room = others.reduce((sum, cell) => sum + Math.max(0, Math.floor(size * FILLED) - cell.agents), 0);
  if (!least || least.agents > size * NEARLY_EMPTY || room < least.agents) return undefined;
  const message = `only ${least.agents} of ${size} places are taken and other cells have room`;
  return { cell: least, most: AT_ONCE, reason: 'nearly-empty', message };
}

/** Whom a move disturbs least: nobody who is being answered, then those without an open connection first. */
export function idlest(agents: GatewayStatus['agents'], most: number): string[] {
  return agents
    .filter((agent) => agent.activeTasks === 0)
    .sort((a, b) => a.sockets - b.sockets || a.diskBytes - b.diskBytes || a.agentId.localeCompare(b.agentId))
    .slice(0, most)
    .map((agent) => agent.agentId);
}
