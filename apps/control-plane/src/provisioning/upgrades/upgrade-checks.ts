import type { GatewayStatus } from '#libs/contracts';
import type { GatewayState } from '#libs/drivers/core';
import type { Failure } from '../provisioning.errors.js';

export type Fault = Pick<Failure, 'code' | 'message'>;

/** Agents whose databases cannot be used. */
export const faultyIn = (status: GatewayStatus): string[] =>
  status.agents.flatMap((agent) => (agent.fault === null ? [] : [agent.agentId]));

/** The first agent that this image cannot open and the one before could. */
export function newFault(status: GatewayStatus, known: readonly string[]): Fault | undefined {
  const agent = status.agents.find(({ agentId, fault }) => fault !== null && !known.includes(agentId));
  return (
    agent && {
      code: 'agent-faulty',
      message: `The new image cannot open agent ${agent.agentId}: ${agent.fault}`,
    }
  );
}

/** Databases are still being opened, one after the other: what is wrong with them is not known yet. */
export const isLooking = (status: GatewayStatus): boolean =>
  status.busy.includes('task') && status.agents.every((agent) => agent.activeTasks === 0);

/** Why a gateway that was started does not run. */
export function endOf(state: GatewayState): Fault {
  const how =
    state.status !== 'stopped'
      ? 'It is not there any more.'
      : state.oomKilled
        ? 'It ran out of memory.'
        : `It ended with exit code ${state.exitCode ?? 'unknown'}.`;
  return { code: 'gateway-exited', message: `${how} The new image does not stay up with this gateway's data.` };
}

export const silent = (seconds: number): Fault => ({
  code: 'gateway-start-timeout',
  message: `The new image did not answer within ${seconds} s of its start.`,
});

export const CANCELLED: Fault = { code: 'upgrade-cancelled', message: 'The upgrade was called off.' };
