import type { Severity } from './check.js';
import { type Diagnosis, type FoundSymptom, isHealthy, symptomsOf, type Treatment } from './doctor.js';

export interface SymptomView {
  readonly check: string;
  readonly severity: Severity;
  readonly subject: string;
  readonly message: string;
  readonly remedy: string;
  /** The remedy is what a repair does; else it is what a person has to do. */
  readonly repairable: boolean;
}

export interface DiagnosisView {
  readonly at: string;
  readonly healthy: boolean;
  readonly checks: readonly { readonly name: string; readonly symptoms: number; readonly failed: string | null }[];
  readonly symptoms: readonly SymptomView[];
}

export interface TreatmentView {
  readonly repairs: readonly (SymptomView & { readonly failed: string | null })[];
  readonly after: DiagnosisView;
}

const toSymptomView = ({ check, severity, subject, message, remedy, repair }: FoundSymptom): SymptomView => ({
  check,
  severity,
  subject,
  message,
  remedy,
  repairable: repair !== undefined,
});

export const toDiagnosisView = (diagnosis: Diagnosis): DiagnosisView => ({
  at: diagnosis.at,
  healthy: isHealthy(diagnosis),
  checks: diagnosis.results.map(({ name, symptoms, failed }) => ({ name, symptoms: symptoms.length, failed })),
  symptoms: symptomsOf(diagnosis).map(toSymptomView),
});

export const toTreatmentView = ({ repairs, after }: Treatment): TreatmentView => ({
  repairs: repairs.map(({ symptom, failed }) => ({ ...toSymptomView(symptom), failed })),
  after: toDiagnosisView(after),
});
