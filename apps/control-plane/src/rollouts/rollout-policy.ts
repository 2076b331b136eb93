import { VERIFY_SECONDS } from '../provisioning/upgrades/upgrade-policies.js';

/** How an image is brought to a fleet. */
export interface RolloutPolicy {
  /** Share of the fleet that goes first, from 0 to 1; at least one gateway, unless it is 0. */
  readonly canary: number;
  /** Share of the rest that follows at a time, from 0 to 1; at least one gateway. */
  readonly batch: number;
  /** Gateways that are being upgraded at the same moment, by any rollout. */
  readonly maxUnavailable: number;
  readonly maxPerHost: number;
  readonly maxPerTenant: number;
  /** It is paused as soon as this many upgrades failed. */
  readonly maxFailures: number;
  /** It is paused, too, when this share of those that ended has failed, once 20 have ended. */
  readonly maxFailureShare: number;
  /** How long it looks at what was upgraded before it goes on, after the canaries and after every batch. */
  readonly soakSeconds: number;
  /** How long each gateway is looked at before its agents are reachable again. */
  readonly verifySeconds: number;
}

export interface RolloutScope {
  readonly tenantId?: string;
  readonly kind?: 'shared' | 'dedicated';
  readonly hostId?: string;
}

export const DEFAULT_POLICY: RolloutPolicy = {
  canary: 0.05,
  batch: 0.25,
  maxUnavailable: 3,
  maxPerHost: 3,
  maxPerTenant: 2,
  maxFailures: 1,
  maxFailureShare: 0.05,
  soakSeconds: 300,
  verifySeconds: VERIFY_SECONDS,
};

/** A fleet of this size is upgraded at once when its configuration changes: nobody waits for a soak at a desk. */
export const HANDFUL = 5;

/** Every gateway is rehearsed, looked at and taken back by itself all the same. */
export const policyFor = (gateways: number): RolloutPolicy =>
  gateways > HANDFUL
    ? DEFAULT_POLICY
    : {
        ...DEFAULT_POLICY,
        canary: 0,
        batch: 1,
        maxUnavailable: HANDFUL,
        maxPerHost: HANDFUL,
        maxPerTenant: HANDFUL,
        soakSeconds: 0,
        verifySeconds: 1,
      };

export type RolloutStatus = 'pending' | 'running' | 'paused' | 'aborting' | 'succeeded' | 'aborted' | 'failed';
export const ACTIVE: readonly string[] = ['pending', 'running', 'paused', 'aborting'] satisfies RolloutStatus[];

/** `revert`: done, and to be sent back; `reverting`, `reverted`: what follows. */
export type TargetStatus =
  'pending' | 'running' | 'succeeded' | 'rolled-back' | 'failed' | 'skipped' | 'revert' | 'reverting' | 'reverted';
