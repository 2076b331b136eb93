import type { BusyReason, GatewayStatus } from '#libs/contracts';
import { LIMITS } from '../limits.js';
import type { Gauges } from '../metrics.js';
import type { Activity } from '../load/activity.js';
import type { Agent } from './agent.js';

export interface Occupation {
  readonly busy: readonly BusyReason[];
  readonly nextJobAt: Date | null;
}

/** Everything that keeps a gateway awake. `resuming`: agents whose unfinished work has not been looked for yet. */
export function occupationOf(agents: readonly Agent[], activity: Activity, resuming: boolean, now: Date): Occupation {
  const due = agents.map((agent) => agent.agenda.nextJobAt()?.getTime() ?? Infinity);
  const next = Math.min(Infinity, ...due);
  const reasons = new Set<BusyReason>(activity.reasons());
  if (resuming || agents.some((agent) => agent.activeTasks > 0)) reasons.add('task');
  if (next <= now.getTime() + LIMITS.jobAhead) reasons.add('job');
  if (agents.some((agent) => agent.agenda.undelivered() > 0)) reasons.add('delivery');
  return { busy: [...reasons], nextJobAt: next === Infinity ? null : new Date(next) };
}

export const agentStatusOf = (agent: Agent): GatewayStatus['agents'][number] => ({
  agentId: agent.config.agentId,
  open: agent.isOpen,
  activeTasks: agent.activeTasks,
  sockets: agent.sockets.size,
  diskBytes: agent.diskBytes,
  fault: agent.fault,
});

export function gaugesOf(agents: readonly Agent[]): Gauges {
  const sum = (of: (agent: Agent) => number) => agents.reduce((total, agent) => total + of(agent), 0);
  return {
    agents: agents.length,
    agents_open: sum((agent) => (agent.isOpen ? 1 : 0)),
    sockets: sum((agent) => agent.sockets.size),
    tasks_active: sum((agent) => agent.activeTasks),
  };
}
