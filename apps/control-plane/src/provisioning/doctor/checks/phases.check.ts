import { Injectable } from '@nestjs/common';
import { Database } from '#libs/database';
import { conditionsOf } from '../../conditions.js';
import { AGENT_PHASES, GATEWAY_PHASES, type PhaseRule } from '../../phases.js';
import { DoctorCheck, type Examination, type Symptom } from '../check.js';
import { RowRepairs } from '../row-repairs.js';

/** Overdue rows are taken up within seconds; one that is later than this is not taken up at all, in milliseconds. */
const MARGIN_MS = 30_000;
const MOST = 100;

interface Row {
  readonly id: string;
  readonly phase: string;
  readonly phaseSince: Date;
  readonly failures: number;
  readonly conditions: unknown;
}

/** Nothing stays in a passing phase. */
@Injectable()
export class PhasesCheck extends DoctorCheck {
  readonly name = 'stuck-phase';
  readonly fine = 'nothing is stuck on its way';

  constructor(
    private readonly database: Database,
    private readonly repairs: RowRepairs,
  ) {
    super();
  }

  async look({ now }: Examination): Promise<Symptom[]> {
    const [gateways, agents] = await Promise.all([
      this.#overdue('gateways', GATEWAY_PHASES, now),
      this.#overdue('agents', AGENT_PHASES, now),
    ]);
    return [
      ...gateways.map((row) => this.#symptom('gateway', row, now)),
      ...agents.map((row) => this.#symptom('agent', row, now)),
    ];
  }

  #symptom(kind: 'gateway' | 'agent', row: Row, now: Date): Symptom {
    const seconds = Math.round((now.getTime() - row.phaseSince.getTime()) / 1000);
    const why = conditionsOf(row.conditions).find((condition) => !condition.status)?.message;
    const tries = row.failures > 0 ? ` It was tried ${row.failures} ${row.failures === 1 ? 'time' : 'times'}.` : '';
    return {
      severity: 'broken',
      subject: `${kind} ${row.id}`,
      message: `It has been ${row.phase} for ${seconds} s.${tries} ${why ?? 'It says nothing of why: the control plane may not be working on it.'}`,
      remedy:
        'Look at it again now and forget how often it failed. If it comes back here, what it says is to be put right.',
      repair: () => this.repairs.lookAgain(kind, row.id),
    };
  }

  async #overdue<P extends string>(
    table: 'gateways' | 'agents',
    rules: Readonly<Record<P, PhaseRule<P>>>,
    now: Date,
  ): Promise<Row[]> {
    const limits = Object.entries<PhaseRule<P>>(rules).flatMap(([phase, { timeoutSeconds }]) =>
      timeoutSeconds === null ? [] : [{ phase, timeoutSeconds }],
    );
    return this.database.raw.$queryRawUnsafe<Row[]>(
      `SELECT t.id, t.phase, t.phase_since AS "phaseSince", t.failures, t.conditions FROM "${table}" t
       JOIN unnest($1::text[], $2::int[]) AS rule (phase, seconds) ON rule.phase = t.phase
       WHERE t.phase_since + make_interval(secs => rule.seconds) < $3::timestamptz ORDER BY t.phase_since LIMIT ${MOST}`,
      limits.map(({ phase }) => phase),
      limits.map(({ timeoutSeconds }) => timeoutSeconds),
      new Date(now.getTime() - MARGIN_MS),
    );
  }
}
