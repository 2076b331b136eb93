import type { Prisma } from '#libs/database';
import type { GatewayDriver, HostUsage } from '#libs/drivers/core';
import type { HostSurvey } from '../inventory/host-survey.js';

/** `broken`: somebody is not served, or will not be. `warning`: it will become so. `notice`: it is only good to know. */
export type Severity = 'broken' | 'warning' | 'notice';

/** Something that is wrong. */
export interface Symptom {
  readonly severity: Severity;
  /** What it is about: `gateway gw_…`, `host local`. */
  readonly subject: string;
  /** What is wrong, in a sentence. */
  readonly message: string;
  /** What `repair` does; without one, what a person has to do. */
  readonly remedy: string;
  /** Never destroys data, and can be repeated. */
  readonly repair?: () => Promise<void>;
}

export interface LookedAtHost {
  readonly row: Prisma.HostGetPayload<object>;
  readonly stateRoot: string;
  readonly secretsRoot: string;
  /** Undefined while it cannot be reached: then `problem` says why. */
  readonly driver?: GatewayDriver;
  readonly survey?: HostSurvey;
  readonly usage?: HostUsage;
  readonly problem?: string;
}

/** What every check looks at, read once. */
export interface Examination {
  readonly now: Date;
  readonly hosts: readonly LookedAtHost[];
}

/** One kind of fault: how it is recognised, what it means, what can be done. */
export abstract class DoctorCheck {
  /** Kebab-case. */
  abstract readonly name: string;
  /** What is fine when nothing is found, for people. */
  abstract readonly fine: string;
  abstract look(examination: Examination, signal: AbortSignal): Promise<Symptom[]>;
}
