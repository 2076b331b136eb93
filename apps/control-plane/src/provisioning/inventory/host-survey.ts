import { readdir } from 'node:fs/promises';
import { type GatewayDriver, type GatewayInventoryEntry, isGatewayFolder } from '#libs/drivers/core';

/** What is on a host under this installation's name, as it said itself. */
export interface HostSurvey {
  readonly gateways: readonly GatewayInventoryEntry[];
  /** State directories by gateway, and the copies kept of each. */
  readonly states: readonly { readonly id: string; readonly kept: readonly string[] }[];
  /** Gateways that have a folder of secrets there. */
  readonly secrets: readonly string[];
}

/** Reads a host; all of it or nothing: half of an answer must not look like a whole one. */
export async function surveyHost(driver: GatewayDriver, secretsRoot: string, signal: AbortSignal): Promise<HostSurvey> {
  const [gateways, states, secrets] = await Promise.all([
    driver.list(signal),
    driver.listStates(signal),
    secretsOn(secretsRoot),
  ]);
  // A root was chosen by a person: what has another name there is nobody's to delete.
  return { gateways, states: states.filter(({ id }) => isGatewayFolder(id)), secrets };
}

/** Every id that is there in any form. */
export const idsOn = ({ gateways, states, secrets }: HostSurvey): string[] => [
  ...new Set([...gateways.map(({ id }) => id), ...states.map(({ id }) => id), ...secrets]),
];

async function secretsOn(root: string): Promise<string[]> {
  try {
    return (await readdir(root)).filter(isGatewayFolder);
  } catch (error) {
    // Nothing has run here since the machine started.
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}
