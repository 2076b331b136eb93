import type { MemberView, OperationView } from '#libs/contracts';
import { request } from '#libs/browser';

export interface Condition {
  readonly type: string;
  readonly status: string | boolean;
  readonly reason: string | null;
  readonly message: string | null;
}

export interface GatewayRow {
  readonly id: string;
  readonly kind: string;
  readonly phase: string;
  readonly port: number | null;
  /** How many agents live on it, or which. */
  readonly agents: number | readonly unknown[];
  readonly conditions: readonly Condition[];
}

export interface Page<T> {
  readonly items: readonly T[];
  readonly nextCursor: string | null;
}

/** The page is served below `/admin/`, the API beside it. */
const root = (): URL => new URL('../v1/admin/', location.href);
const at = (path: string): URL => new URL(path, root());

export const listMembers = (cursor?: string): Promise<Page<MemberView>> => list('members', cursor);
export const listGateways = (cursor?: string): Promise<Page<GatewayRow>> => list('gateways', cursor);
export const listOperations = (cursor?: string): Promise<Page<OperationView>> => list('operations', cursor);

function list<T>(path: string, cursor?: string): Promise<Page<T>> {
  const url = at(path);
  if (cursor) url.searchParams.set('cursor', cursor);
  return request(url);
}

export function eventsUrl(): URL {
  const url = at('events');
  url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:';
  return url;
}
