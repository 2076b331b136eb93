import type { RouteTable } from '#libs/routing';
import type { ForwardFault } from '../http/forward-fault.js';
import type { UpstreamPools } from '../http/upstream-pools.js';
import type { ProblemCode } from '../proxy.errors.js';
import type { Logger } from '../proxy.log.js';
import type { ProxyMetrics } from '../proxy.metrics.js';
import type { SignalCounts } from '../signal-counts.js';
import type { AgentAccess } from './agent-access.js';
import type { ChatPage } from './chat-page.js';
import type { LiveConnections } from './live-connections.js';
import type { OwnRoutes } from './own.routes.js';
import type { SignInRoutes } from './sign-in.routes.js';
import type { WaitingRoom } from './waiting-room.js';

export const FAULT_PROBLEMS: Record<Exclude<ForwardFault, 'client-gone' | 'broken'>, ProblemCode> = {
  busy: 'agent-busy',
  unreachable: 'agent-unreachable',
  timeout: 'agent-timeout',
  'too-large': 'body-too-large',
};

/** What requests and upgrades share. */
export interface EdgeParts {
  readonly table: RouteTable;
  readonly access: AgentAccess;
  readonly live: LiveConnections;
  readonly room: WaitingRoom;
  readonly signIn: SignInRoutes;
  readonly page: ChatPage;
  readonly own: OwnRoutes;
  readonly pools: UpstreamPools;
  readonly metrics: ProxyMetrics;
  readonly signals: SignalCounts;
  readonly log: Logger;
  /** What clients reach the proxy by. */
  readonly scheme: 'http' | 'https';
  readonly accessLogSample: number;
}
