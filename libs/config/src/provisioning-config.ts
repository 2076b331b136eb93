import { resolve } from 'node:path';
import type { EnvironmentReader } from './reader.js';

/** How the provisioning engine works on this installation. */
export interface ProvisioningConfig {
  /** A ready gateway is looked at this often though nobody says anything, in milliseconds. */
  readonly recheckMs: number;
  /** Failure drills only: a folder whose `plan` names the step to die at. Undefined: steps are not even looked at. */
  readonly drillDir: string | undefined;
}

export function readProvisioningConfig(env: EnvironmentReader): ProvisioningConfig {
  const drill = env.optional('WIREBOT_STEP_DRILL');
  return Object.freeze({
    recheckMs: env.integer('WIREBOT_GATEWAY_RECHECK_SECONDS', { min: 1, max: 3_600 }, 15) * 1_000,
    drillDir: drill && resolve(drill),
  });
}
