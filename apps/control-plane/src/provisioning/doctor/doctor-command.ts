import { parseArgs } from 'node:util';
import { Injectable } from '@nestjs/common';
import type { Severity } from './check.js';
import { type Diagnosis, Doctor, type FoundSymptom, isHealthy, symptomsOf, type Treatment } from './doctor.js';
import { toDiagnosisView, toTreatmentView } from './doctor.views.js';

export const DOCTOR_HELP = `wirebot doctor [--repair] [--json]

Looks at the database, the hosts, every gateway, agent and route, and says in sentences what is wrong and what can be done.
Nothing is changed without --repair. With it, what can be repaired without destroying anything is repaired: mostly the
control plane is asked to look at something again, so it should run.

  --repair   repair, then look again for up to 20 s
  --json     one JSON document instead of sentences

Exits with 0 when nothing is wrong, 1 when something is (or is left after repairs), 2 when it could not look.
`;

const OPTIONS = {
  repair: { type: 'boolean' },
  json: { type: 'boolean' },
  help: { type: 'boolean', short: 'h' },
} as const;
const ACTOR = 'system:command';
/** All of it, in milliseconds. */
const LIMIT_MS = 300_000;

const MARKS: Record<Severity, string> = { broken: 'BROKEN ', warning: 'WARNING', notice: 'NOTICE ' };

/** `wirebot doctor`: resolves with the exit code. */
@Injectable()
export class DoctorCommand {
  constructor(private readonly doctor: Doctor) {}

  async run(words: readonly string[], out: NodeJS.WritableStream): Promise<number> {
    const { values } = parseArgs({ args: [...words], options: OPTIONS, strict: true });
    const signal = AbortSignal.timeout(LIMIT_MS);
    if (!values.repair) {
      const diagnosis = await this.doctor.examine(signal);
      out.write(values.json ? `${JSON.stringify(toDiagnosisView(diagnosis))}\n` : textOf(diagnosis));
      return codeOf(diagnosis);
    }
    const treatment = await this.doctor.repair(ACTOR, signal);
    out.write(values.json ? `${JSON.stringify(toTreatmentView(treatment))}\n` : textOfTreatment(treatment));
    return codeOf(treatment.after);
  }
}

const codeOf = (diagnosis: Diagnosis): number => {
  if (isHealthy(diagnosis)) return 0;
  return diagnosis.results.some(({ failed }) => failed !== null) && symptomsOf(diagnosis).length === 0 ? 2 : 1;
};

function textOf(diagnosis: Diagnosis): string {
  const lines = diagnosis.results.flatMap(({ name, fine, symptoms, failed }) => {
    if (failed !== null) return [`UNKNOWN  ${name}: it could not be looked at: ${failed}`];
    return symptoms.length === 0 ? [`ok       ${fine}`] : symptoms.map(lineOf);
  });
  return `${lines.join('\n')}\n\n${summaryOf(diagnosis)}\n`;
}

const lineOf = ({ severity, subject, message, remedy, repair }: FoundSymptom): string =>
  `${MARKS[severity]}  ${subject}: ${message}\n           ${repair ? '--repair does:' : 'to do:'} ${remedy}`;

function textOfTreatment({ repairs, after }: Treatment): string {
  const done = repairs.map(({ symptom, failed }) =>
    failed === null ? `repaired ${symptom.subject}: ${symptom.remedy}` : `FAILED   ${symptom.subject}: ${failed}`,
  );
  const head = done.length === 0 ? 'There was nothing that can be repaired here.' : done.join('\n');
  return `${head}\n\nAfterwards:\n\n${textOf(after)}`;
}

function summaryOf(diagnosis: Diagnosis): string {
  const symptoms = symptomsOf(diagnosis);
  const serious = symptoms.filter(({ severity }) => severity !== 'notice');
  const unknown = diagnosis.results.filter(({ failed }) => failed !== null).length;
  if (serious.length === 0 && unknown === 0) return 'Nothing is wrong.';
  const repairable = serious.filter(({ repair }) => repair !== undefined).length;
  const parts = [
    `${serious.length} ${serious.length === 1 ? 'thing is' : 'things are'} wrong`,
    `${repairable} of them can be repaired with --repair`,
    ...(unknown > 0 ? [`${unknown} checks could not be made`] : []),
  ];
  return `${parts.join('; ')}.`;
}
