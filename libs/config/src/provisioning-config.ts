import { resolve } from 'node:path';
import type { EnvironmentReader } from './reader.js';

/** How the provisioning engine works on this installation. */
export interface ProvisioningConfig {
  /** A ready gateway is looked at this often though nobody says anything, in milliseconds. */
  readonly recheckMs: number;
  /** Which host gets a new gateway: the emptiest, or the fullest that has room. */
  readonly placement: 'spread' | 'pack';
  /** A host that has not answered for this long is given up, when there is another one. Undefined: only a person does that. */
  readonly hostLostAfterMs: number | undefined;
  /** Shared cells with few agents are emptied into others. */
  readonly mergeCells: boolean;
  /** Gateways made ahead of each kind on each host, until operators say otherwise. */
  readonly warmGateways: number;
  /** Failure drills only: a folder whose `plan` names the step to die at. Undefined: steps are not even looked at. */
  readonly drillDir: string | undefined;
  /** Another gateway image in the configuration is rolled out to the fleet by itself. */
  readonly autoRollout: boolean;
  /** What is on hosts and in no row: how long a stopped one is kept for a look, and how long its state is kept after that. */
  readonly orphans: { readonly graceSeconds: number; readonly keepDays: number };
}

export function readProvisioningConfig(env: EnvironmentReader, driver: 'docker' | 'process'): ProvisioningConfig {
  const drill = env.optional('WIREBOT_STEP_DRILL');
  return Object.freeze({
    recheckMs: env.integer('WIREBOT_GATEWAY_RECHECK_SECONDS', { min: 1, max: 3_600 }, 15) * 1_000,
    placement: env.oneOf('WIREBOT_PLACEMENT', ['spread', 'pack'], 'spread'),
    hostLostAfterMs: env.integer('WIREBOT_HOST_LOST_AFTER_SECONDS', { min: 0, max: 604_800 }, 0) * 1_000 || undefined,
    mergeCells: env.oneOf('WIREBOT_MERGE_CELLS', ['true', 'false'], 'false') === 'true',
    // A process starts fast enough when it is needed; a container waits for its network.
    warmGateways: env.integer('WIREBOT_WARM_GATEWAYS', { min: 0, max: 50 }, driver === 'docker' ? 1 : 0),
    drillDir: drill && resolve(drill),
    autoRollout: env.oneOf('WIREBOT_AUTO_ROLLOUT', ['true', 'false'], 'true') === 'true',
    orphans: Object.freeze({
      graceSeconds: env.integer('WIREBOT_ORPHAN_GRACE_SECONDS', { min: 0, max: 2_592_000 }, 3_600),
      keepDays: env.integer('WIREBOT_ORPHAN_STATE_DAYS', { min: 0, max: 3_650 }, 7),
    }),
  });
}
