import type { MemberView, OperationView } from '#libs/contracts';
import type { GatewayRow, Page } from './api.js';
import type { LiveEvent } from './events.js';

/** What the overview shows. */
export interface Fleet {
  readonly members: Page<MemberView>;
  readonly gateways: Page<GatewayRow>;
  readonly operations: Page<OperationView>;
}

const NOTHING = { items: [], nextCursor: null };
export const EMPTY_FLEET: Fleet = { members: NOTHING, gateways: NOTHING, operations: NOTHING };

/** Merges an event into the row it speaks of, so that a change shows at once. A row not listed yet comes with the next load. */
export function applyEvent(fleet: Fleet, event: LiveEvent): Fleet {
  const merge = <T extends { readonly id: string }>(page: Page<T>): Page<T> => ({
    ...page,
    items: page.items.map((row) => (row.id === event.id ? { ...row, ...event.data, id: row.id } : row)),
  });
  if (event.topic === 'gateways') return { ...fleet, gateways: merge(fleet.gateways) };
  return event.topic === 'operations' ? { ...fleet, operations: merge(fleet.operations) } : fleet;
}

/** Adds a further page to what is listed; a row that moved between the two loads is not listed twice. */
export function appendPage<T extends { readonly id: string }>(listed: Page<T>, next: Page<T>): Page<T> {
  const known = new Set(listed.items.map((row) => row.id));
  return { items: [...listed.items, ...next.items.filter((row) => !known.has(row.id))], nextCursor: next.nextCursor };
}

/** Puts a fresh first page in front of the further pages that a reader has asked for. */
export function refreshPage<T extends { readonly id: string }>(listed: Page<T>, fresh: Page<T>): Page<T> {
  if (fresh.nextCursor === null || listed.items.length <= fresh.items.length) return fresh;
  const known = new Set(fresh.items.map((row) => row.id));
  const rest = listed.items.slice(fresh.items.length).filter((row) => !known.has(row.id));
  return { items: [...fresh.items, ...rest], nextCursor: listed.nextCursor };
}

export const agentCount = (gateway: GatewayRow): number =>
  typeof gateway.agents === 'number' ? gateway.agents : (gateway.agents?.length ?? 0);

export const isRunning = (operation: OperationView): boolean =>
  operation.status === 'running' || operation.status === 'pending';

export type Tone = 'good' | 'busy' | 'warn' | 'bad' | 'still';

const TONES: Record<string, Tone> = {
  ready: 'good',
  active: 'good',
  succeeded: 'good',
  failed: 'bad',
  paused: 'warn',
  draining: 'warn',
  suspended: 'still',
  cancelled: 'still',
  erased: 'still',
  deleted: 'still',
};

/** How a phase or status looks. Every phase in between means that something is being done about it. */
export const toneOf = (word: string): Tone => TONES[word] ?? 'busy';
