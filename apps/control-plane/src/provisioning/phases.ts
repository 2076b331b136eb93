/**
 * The life of gateways and agents as data. Every phase names its owner and how long it may last; nothing waits without
 * both. `null` is a phase that may last for ever.
 */
export type GatewayPhase =
  'pending' | 'creating' | 'starting' | 'ready' | 'draining' | 'suspended' | 'failed' | 'deleting' | 'deleted';

export type AgentPhase =
  | 'pending'
  | 'placing'
  | 'waiting'
  | 'attaching'
  | 'ready'
  | 'moving'
  | 'detaching'
  | 'inactive'
  | 'failed'
  | 'erasing'
  | 'deleted';

export interface PhaseRule<P extends string> {
  /** Who moves it on. */
  readonly owner: 'gateway-reconciler' | 'agent-reconciler' | 'nobody';
  readonly timeoutSeconds: number | null;
  readonly next: readonly P[];
}

export const GATEWAY_PHASES: Readonly<Record<GatewayPhase, PhaseRule<GatewayPhase>>> = {
  pending: { owner: 'gateway-reconciler', timeoutSeconds: 60, next: ['creating', 'failed', 'suspended', 'deleting'] },
  creating: { owner: 'gateway-reconciler', timeoutSeconds: 120, next: ['starting', 'failed', 'draining', 'deleting'] },
  starting: {
    owner: 'gateway-reconciler',
    timeoutSeconds: 60,
    next: ['ready', 'creating', 'failed', 'draining', 'deleting'],
  },
  ready: {
    owner: 'gateway-reconciler',
    timeoutSeconds: null,
    next: ['creating', 'starting', 'draining', 'deleting', 'failed'],
  },
  draining: { owner: 'gateway-reconciler', timeoutSeconds: 60, next: ['suspended', 'failed', 'creating', 'deleting'] },
  suspended: { owner: 'nobody', timeoutSeconds: null, next: ['creating', 'deleting', 'failed'] },
  failed: {
    owner: 'gateway-reconciler',
    timeoutSeconds: 300,
    next: ['creating', 'starting', 'draining', 'suspended', 'deleting'],
  },
  deleting: { owner: 'gateway-reconciler', timeoutSeconds: 120, next: ['deleted', 'failed'] },
  deleted: { owner: 'nobody', timeoutSeconds: null, next: [] },
};

export const AGENT_PHASES: Readonly<Record<AgentPhase, PhaseRule<AgentPhase>>> = {
  pending: { owner: 'agent-reconciler', timeoutSeconds: 60, next: ['placing', 'failed', 'detaching', 'erasing'] },
  placing: { owner: 'agent-reconciler', timeoutSeconds: 60, next: ['waiting', 'failed', 'detaching', 'erasing'] },
  waiting: {
    owner: 'agent-reconciler',
    timeoutSeconds: 300,
    next: ['attaching', 'failed', 'placing', 'moving', 'detaching', 'erasing'],
  },
  attaching: {
    owner: 'agent-reconciler',
    timeoutSeconds: 60,
    next: ['ready', 'waiting', 'failed', 'moving', 'detaching', 'erasing'],
  },
  ready: {
    owner: 'agent-reconciler',
    timeoutSeconds: null,
    next: ['waiting', 'attaching', 'moving', 'detaching', 'failed', 'erasing'],
  },
  moving: {
    owner: 'agent-reconciler',
    timeoutSeconds: 900,
    next: ['attaching', 'waiting', 'ready', 'failed', 'detaching', 'erasing'],
  },
  detaching: { owner: 'agent-reconciler', timeoutSeconds: 60, next: ['inactive', 'failed', 'waiting', 'erasing'] },
  inactive: { owner: 'nobody', timeoutSeconds: null, next: ['placing', 'waiting', 'erasing', 'moving'] },
  failed: {
    owner: 'agent-reconciler',
    timeoutSeconds: 300,
    next: ['placing', 'waiting', 'attaching', 'ready', 'moving', 'detaching', 'erasing'],
  },
  erasing: { owner: 'agent-reconciler', timeoutSeconds: 300, next: ['deleted', 'failed'] },
  deleted: { owner: 'nobody', timeoutSeconds: null, next: [] },
};

/** Staying is always allowed; anything else must be an edge of the table. */
export const mayMove = <P extends string>(table: Readonly<Record<P, PhaseRule<P>>>, from: P, to: P): boolean =>
  from === to || table[from].next.includes(to);

/** True once a phase has lasted longer than it may. */
export const isOverdue = <P extends string>(
  table: Readonly<Record<P, PhaseRule<P>>>,
  phase: P,
  since: Date,
  now: Date,
): boolean => {
  const limit = table[phase].timeoutSeconds;
  return limit !== null && now.getTime() - since.getTime() > limit * 1000;
};
