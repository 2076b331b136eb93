import type { AgentPhase, GatewayPhase } from './phases.js';

/**
 * What reconcilers do to the world in each phase, besides writing rows: after each of these, and after each commit, the
 * process may die. `test/chaos` kills it there, one by one, for every line of this table and every edge of the phases.
 */
export const GATEWAY_STEPS = {
  pending: [],
  creating: ['ensured'],
  starting: ['thawed', 'configured', 'claimed', 'removed'],
  ready: ['configured'],
  warm: ['frozen'],
  suspending: ['agreed', 'frozen'],
  paused: ['thawed', 'agreed'],
  draining: ['stopped'],
  suspended: ['kept'],
  rehearsing: ['configured', 'copy-started', 'copied', 'checked', 'copy-removed'],
  replacing: ['silenced', 'stopped', 'kept', 'started'],
  verifying: ['configured'],
  'rolling-back': ['copy-removed', 'stopped', 'restored', 'started', 'configured', 'dropped'],
  lost: ['removed'],
  failed: ['removed'],
  deleting: ['removed', 'destroyed'],
  deleted: [],
} as const satisfies Record<GatewayPhase, readonly string[]>;

export const AGENT_STEPS = {
  pending: [],
  placing: [],
  waiting: [],
  restoring: ['imported'],
  attaching: [],
  ready: ['released'],
  moving: ['copied'],
  detaching: ['released'],
  inactive: [],
  failed: ['released'],
  erasing: ['removed', 'backups-removed'],
  deleted: [],
} as const satisfies Record<AgentPhase, readonly string[]>;

/** Of a backup while it is made, by its status. */
export const BACKUP_STEPS = {
  running: ['stored', 'discarded'],
  succeeded: ['recorded', 'tidied'],
} as const;

type StepOf<T extends Record<string, readonly string[]>> = T[keyof T][number];
export type GatewayStep = StepOf<typeof GATEWAY_STEPS>;
export type AgentStep = StepOf<typeof AGENT_STEPS>;
type BackupStep = StepOf<typeof BACKUP_STEPS>;

/** Hears of every step and every commit of the reconcilers. In production nobody listens. */
export class StepObserver {
  /** A step of `steps.ts` has been done; its row does not say so yet. */
  reached(_kind: 'gateway' | 'agent' | 'backup', _phase: string, _step: GatewayStep | AgentStep | BackupStep): void {}

  /** A phase was left for another, and the commit is through. */
  committed(_kind: 'gateway' | 'agent', _from: string, _to: string): void {}
}
