import { Injectable } from '@nestjs/common';
import { Database } from '#libs/database';
import { delay } from '#libs/kernel';
import { AuditLog } from '../../audit/audit-log.js';
import { Log } from '../../log.js';
import type { DoctorCheck, Examination, Symptom } from './check.js';
import { HostLooks } from './host-looks.js';

/** Checks in the order they are told in. */
export abstract class DoctorChecks {
  abstract readonly all: readonly DoctorCheck[];
}

/** After repairs the reconcilers have this long to act before the second look, in milliseconds. */
const SETTLE_MS = 20_000;
const SETTLE_POLL_MS = 1_000;

export interface FoundSymptom extends Symptom {
  readonly check: string;
}

export interface CheckResult {
  readonly name: string;
  readonly fine: string;
  readonly symptoms: readonly FoundSymptom[];
  /** Why it could not be looked at. */
  readonly failed: string | null;
}

export interface Diagnosis {
  readonly at: string;
  readonly results: readonly CheckResult[];
}

export interface Treatment {
  readonly before: Diagnosis;
  /** What was done, and to what it came when it could not be done. */
  readonly repairs: readonly { readonly symptom: FoundSymptom; readonly failed: string | null }[];
  readonly after: Diagnosis;
}

export const symptomsOf = ({ results }: Diagnosis): FoundSymptom[] => results.flatMap(({ symptoms }) => symptoms);

/** True when nothing is wrong that somebody should do something about. */
export const isHealthy = (diagnosis: Diagnosis): boolean =>
  diagnosis.results.every(({ failed }) => failed === null) &&
  symptomsOf(diagnosis).every(({ severity }) => severity === 'notice');

/** Looks at everything, says what is wrong, and repairs what can be repaired without destroying anything. */
@Injectable()
export class Doctor {
  constructor(
    private readonly checks: DoctorChecks,
    private readonly looks: HostLooks,
    private readonly database: Database,
    private readonly audit: AuditLog,
    private readonly log: Log,
  ) {}

  async examine(signal: AbortSignal): Promise<Diagnosis> {
    const examination = await this.looks.examine(signal);
    const results: CheckResult[] = [];
    for (const check of this.checks.all) results.push(await this.#look(check, examination, signal));
    return { at: examination.now.toISOString(), results };
  }

  /** Repairs what has a repair, then looks again until it is gone, for some seconds. */
  async repair(actor: string, signal: AbortSignal, settleMs = SETTLE_MS): Promise<Treatment> {
    const before = await this.examine(signal);
    const repairs: Treatment['repairs'][number][] = [];
    for (const symptom of symptomsOf(before))
      if (symptom.repair) repairs.push({ symptom, failed: await this.#repair(symptom, actor) });
    return { before, repairs, after: await this.#settled(repairs.length > 0 ? settleMs : 0, signal) };
  }

  async #look(check: DoctorCheck, examination: Examination, signal: AbortSignal): Promise<CheckResult> {
    const { name, fine } = check;
    try {
      const symptoms = (await check.look(examination, signal)).map((symptom) => ({ ...symptom, check: name }));
      return { name, fine, symptoms, failed: null };
    } catch (err) {
      signal.throwIfAborted();
      this.log.warn({ err, check: name }, 'a check could not be made');
      return { name, fine, symptoms: [], failed: err instanceof Error ? err.message : String(err) };
    }
  }

  async #repair(symptom: FoundSymptom, actor: string): Promise<string | null> {
    try {
      await symptom.repair!();
    } catch (err) {
      this.log.warn({ err, subject: symptom.subject }, 'a repair failed');
      return err instanceof Error ? err.message : String(err);
    }
    const { check, subject } = symptom;
    const line = { action: 'doctor.repair', resource: 'installation', resourceId: check, data: { subject } };
    await this.database.system((tx) => this.audit.record(tx, { ...line, tenantId: null, actor }));
    return null;
  }

  async #settled(milliseconds: number, signal: AbortSignal): Promise<Diagnosis> {
    const end = Date.now() + milliseconds;
    for (;;) {
      const diagnosis = await this.examine(signal);
      const left = symptomsOf(diagnosis).some(({ repair }) => repair !== undefined);
      if (!left || Date.now() >= end) return diagnosis;
      await delay(SETTLE_POLL_MS, signal);
    }
  }
}
