/**
 * The life of gateways and agents as data. Every phase names its owner and how long it may last; nothing waits without
 * both. `null` is a phase that may last for ever.
 */
export type GatewayPhase =
  | 'pending'
  | 'creating'
  | 'starting'
  | 'ready'
  | 'warm'
  | 'suspending'
  | 'paused'
  | 'draining'
  | 'suspended'
  | 'rehearsing'
  | 'replacing'
  | 'verifying'
  | 'rolling-back'
  | 'lost'
  | 'failed'
  | 'deleting'
  | 'deleted';

export type AgentPhase =
  | 'pending'
  | 'placing'
  | 'waiting'
  | 'restoring'
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
  readonly owner: 'gateway-reconciler' | 'agent-reconciler' | 'host-watch' | 'nobody';
  readonly timeoutSeconds: number | null;
  /** Where it goes when it lasted longer; `failed` unless said otherwise. */
  readonly onTimeout?: P;
  readonly next: readonly P[];
}

const RECONCILER = 'gateway-reconciler';

export const GATEWAY_PHASES: Readonly<Record<GatewayPhase, PhaseRule<GatewayPhase>>> = {
  pending: { owner: RECONCILER, timeoutSeconds: 60, next: ['creating', 'failed', 'suspended', 'deleting', 'lost'] },
  creating: {
    owner: RECONCILER,
    timeoutSeconds: 120,
    // An upgrade that was interrupted by a stop or a lost host is taken up again where it was.
    next: ['starting', 'failed', 'replacing', 'rolling-back', 'draining', 'deleting', 'lost'],
  },
  starting: {
    owner: RECONCILER,
    timeoutSeconds: 60,
    next: ['ready', 'warm', 'creating', 'failed', 'draining', 'deleting', 'lost'],
  },
  ready: {
    owner: RECONCILER,
    timeoutSeconds: null,
    next: ['creating', 'starting', 'suspending', 'rehearsing', 'replacing', 'draining', 'deleting', 'failed', 'lost'],
  },
  // Made ahead: identity-free, frozen or idle, until somebody needs one.
  warm: { owner: RECONCILER, timeoutSeconds: null, next: ['starting', 'creating', 'deleting', 'failed', 'lost'] },
  // Agreed with the gateway that nothing new is taken; frozen next, unless work came in between.
  suspending: {
    owner: RECONCILER,
    timeoutSeconds: 30,
    onTimeout: 'starting',
    next: ['paused', 'ready', 'starting', 'creating', 'draining', 'deleting', 'failed', 'lost'],
  },
  paused: {
    owner: RECONCILER,
    timeoutSeconds: null,
    next: ['ready', 'starting', 'creating', 'draining', 'deleting', 'failed', 'lost'],
  },
  draining: {
    owner: RECONCILER,
    timeoutSeconds: 60,
    next: ['suspended', 'starting', 'creating', 'failed', 'deleting', 'lost'],
  },
  suspended: { owner: RECONCILER, timeoutSeconds: null, next: ['creating', 'deleting', 'failed', 'lost'] },
  // An upgrade: tried on a copy, then the process replaced while its routes are held, then looked at before they open.
  rehearsing: {
    owner: RECONCILER,
    timeoutSeconds: 300,
    onTimeout: 'rolling-back',
    next: ['replacing', 'ready', 'creating', 'rolling-back', 'draining', 'deleting', 'lost'],
  },
  replacing: {
    owner: RECONCILER,
    timeoutSeconds: 180,
    onTimeout: 'rolling-back',
    next: ['verifying', 'rolling-back', 'draining', 'deleting', 'lost'],
  },
  verifying: {
    owner: RECONCILER,
    timeoutSeconds: 120,
    onTimeout: 'rolling-back',
    next: ['ready', 'rolling-back', 'draining', 'deleting', 'lost'],
  },
  'rolling-back': {
    owner: RECONCILER,
    timeoutSeconds: 180,
    next: ['starting', 'creating', 'ready', 'draining', 'failed', 'deleting', 'lost'],
  },
  // Its host is gone. It comes back with the host, or its agents are restored elsewhere.
  lost: { owner: 'host-watch', timeoutSeconds: null, next: ['creating', 'deleting', 'deleted', 'failed'] },
  failed: {
    owner: RECONCILER,
    timeoutSeconds: 300,
    next: ['creating', 'starting', 'draining', 'suspended', 'replacing', 'rolling-back', 'deleting', 'lost'],
  },
  deleting: { owner: RECONCILER, timeoutSeconds: 120, next: ['deleted', 'failed', 'lost'] },
  deleted: { owner: 'nobody', timeoutSeconds: null, next: [] },
};

export const AGENT_PHASES: Readonly<Record<AgentPhase, PhaseRule<AgentPhase>>> = {
  pending: { owner: 'agent-reconciler', timeoutSeconds: 60, next: ['placing', 'failed', 'detaching', 'erasing'] },
  placing: { owner: 'agent-reconciler', timeoutSeconds: 60, next: ['waiting', 'failed', 'detaching', 'erasing'] },
  waiting: {
    owner: 'agent-reconciler',
    timeoutSeconds: 300,
    next: ['attaching', 'restoring', 'failed', 'placing', 'moving', 'detaching', 'erasing'],
  },
  // Its folder is being replaced by a backup; nobody reaches it meanwhile.
  restoring: {
    owner: 'agent-reconciler',
    timeoutSeconds: 900,
    next: ['attaching', 'waiting', 'placing', 'moving', 'failed', 'detaching', 'erasing'],
  },
  attaching: {
    owner: 'agent-reconciler',
    timeoutSeconds: 60,
    next: ['ready', 'waiting', 'restoring', 'placing', 'failed', 'moving', 'detaching', 'erasing'],
  },
  ready: {
    owner: 'agent-reconciler',
    timeoutSeconds: null,
    next: ['waiting', 'attaching', 'restoring', 'placing', 'moving', 'detaching', 'failed', 'erasing'],
  },
  moving: {
    owner: 'agent-reconciler',
    timeoutSeconds: 900,
    next: ['attaching', 'waiting', 'placing', 'restoring', 'ready', 'failed', 'detaching', 'erasing'],
  },
  detaching: { owner: 'agent-reconciler', timeoutSeconds: 60, next: ['inactive', 'failed', 'waiting', 'erasing'] },
  inactive: { owner: 'nobody', timeoutSeconds: null, next: ['placing', 'waiting', 'restoring', 'erasing', 'moving'] },
  failed: {
    owner: 'agent-reconciler',
    timeoutSeconds: 300,
    next: ['placing', 'waiting', 'restoring', 'attaching', 'ready', 'moving', 'detaching', 'erasing'],
  },
  erasing: { owner: 'agent-reconciler', timeoutSeconds: 300, next: ['deleted', 'failed'] },
  deleted: { owner: 'nobody', timeoutSeconds: null, next: [] },
};

/** Asleep because nobody needed it; a request, a message or a job that is due wakes it. */
export const SLEEPING: readonly string[] = ['suspending', 'paused', 'draining', 'suspended'] satisfies GatewayPhase[];

/** An upgrade is under way, or is being taken back. */
export const UPGRADING: readonly string[] = [
  'rehearsing',
  'replacing',
  'verifying',
  'rolling-back',
] satisfies GatewayPhase[];

/** Its process is being replaced: no route leads to it until that is done. */
export const REPLACED: readonly string[] = ['replacing', 'verifying', 'rolling-back'] satisfies GatewayPhase[];

/** It answers: a rehearsal goes on beside it. */
export const SERVING: readonly string[] = ['ready', 'rehearsing'] satisfies GatewayPhase[];

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
