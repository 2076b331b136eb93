import type { GatewayState } from '#libs/drivers/core';
import { conditionsOf } from '../../provisioning/conditions.js';
import { GATEWAY_PHASES, type GatewayPhase, isOverdue } from '../../provisioning/phases.js';
import type { DiagnosedAgent, DiagnosedFinding, DiagnosedGateway } from './gateway-facts.js';

/** An answer of the host, or why there is none. */
export type Asked<T> = T | { readonly problem: { readonly code: string; readonly message: string } };

export interface Known {
  readonly gateway: DiagnosedGateway;
  readonly state: Asked<GatewayState>;
  readonly agents: readonly DiagnosedAgent[];
  readonly findings: readonly DiagnosedFinding[];
}

/** What a person would say who had read all of it: the worst first. */
export function inWords(known: Known, now: Date): string[] {
  const { gateway, findings } = known;
  const bad = conditionsOf(gateway.conditions).filter((condition) => !condition.status);
  const words = [
    ...hostWords(gateway),
    ...stateWords(known),
    ...overdueWords(gateway, now),
    ...bad.map(({ message }) => message),
    ...agentWords(known),
    ...findings.filter(({ state }) => state === 'open' || state === 'quarantined').map(({ message }) => message),
  ];
  return words.length > 0 ? [...new Set(words)] : [`It is ${gateway.phase}, and nothing is wrong that is known.`];
}

function hostWords({ host }: DiagnosedGateway): string[] {
  if (host.silentSince) return [`Its host ${host.name} has not answered since ${host.silentSince.toISOString()}.`];
  return host.state === 'active' ? [] : [`Its host ${host.name} is ${host.state}.`];
}

/** What the host says against what the row says. */
function stateWords({ gateway, state }: Known): string[] {
  if ('problem' in state) return [`Its host could not say how it is: ${state.problem.message}`];
  if (gateway.phase !== 'ready') return [];
  if (state.status !== 'running') return [`Its row says ready, but on its host it is ${state.status}.`];
  const behind = state.generation !== Number(gateway.generation);
  return behind ? [`It runs an older specification (${state.generation}) than wanted (${gateway.generation}).`] : [];
}

function overdueWords(gateway: DiagnosedGateway, now: Date): string[] {
  const phase = gateway.phase as GatewayPhase;
  if (!isOverdue(GATEWAY_PHASES, phase, gateway.phaseSince, now)) return [];
  const seconds = Math.round((now.getTime() - gateway.phaseSince.getTime()) / 1000);
  return [`It has been ${phase} for ${seconds} s; ${GATEWAY_PHASES[phase].timeoutSeconds} s are allowed.`];
}

function agentWords({ gateway, agents }: Known): string[] {
  const astray = agents.filter(({ route }) => route && route.gatewayId !== gateway.id && route.state === 'live');
  const waiting = agents.filter(({ phase }) => !['ready', 'inactive', 'deleted'].includes(phase));
  return [
    ...(astray.length > 0 ? [`${astray.length} of its agents are routed to another gateway.`] : []),
    ...(waiting.length > 0 ? [`${waiting.length} of its ${agents.length} agents are not ready.`] : []),
  ];
}
