import { Injectable } from '@nestjs/common';
import { Database } from '#libs/database';
import { DoctorCheck, type Symptom } from '../check.js';
import { RowRepairs } from '../row-repairs.js';

/** A lease is renewed within seconds: one that runs for longer ahead was written by a clock that was wrong. */
const LONGEST_SECONDS = 300;
/** Due rows are taken within a second; when one waits longer, nobody works. */
const WAITING_SECONDS = 60;

interface Held {
  readonly kind: 'gateway' | 'agent';
  readonly id: string;
  readonly owner: string | null;
  readonly until: Date;
}

/** Rows are worked on, and by somebody who lives. */
@Injectable()
export class LeasesCheck extends DoctorCheck {
  readonly name = 'dead-lease';
  readonly fine = 'what is due is being worked on';

  constructor(
    private readonly database: Database,
    private readonly repairs: RowRepairs,
  ) {
    super();
  }

  async look(): Promise<Symptom[]> {
    const [held, waiting] = await Promise.all([this.#held(), this.#waiting()]);
    return [...held.map((row) => this.#heldTooLong(row)), ...waiting];
  }

  #heldTooLong({ kind, id, owner, until }: Held): Symptom {
    return {
      severity: 'broken',
      subject: `${kind} ${id}`,
      message: `${owner ?? 'Somebody'} holds it until ${until.toISOString()}, longer than anybody holds a row: it died, or its clock was wrong. Nobody else may work on it until then.`,
      remedy: 'Take it from that holder; if it lives after all, what it still writes is refused.',
      repair: () => this.repairs.freeLease(kind, id),
    };
  }

  #held(): Promise<Held[]> {
    return this.database.raw.$queryRaw<Held[]>`
      SELECT 'gateway' AS kind, id, lease_owner AS owner, lease_until AS until FROM gateways
        WHERE lease_until > now() + make_interval(secs => ${LONGEST_SECONDS})
      UNION ALL
      SELECT 'agent', id, lease_owner, lease_until FROM agents
        WHERE lease_until > now() + make_interval(secs => ${LONGEST_SECONDS})
      ORDER BY 2 LIMIT 100`;
  }

  async #waiting(): Promise<Symptom[]> {
    const [row] = await this.database.raw.$queryRaw<{ rows: number; since: Date | null }[]>`
      SELECT count(*)::int AS rows, min(due_at) AS since FROM
        (SELECT due_at, lease_until FROM gateways UNION ALL SELECT due_at, lease_until FROM agents) AS due
      WHERE due_at < now() - make_interval(secs => ${WAITING_SECONDS}) AND (lease_until IS NULL OR lease_until < now())`;
    if (!row?.since) return [];
    return [
      {
        severity: 'broken',
        subject: 'control plane',
        message: `${row.rows} gateways and agents are due since ${row.since.toISOString()} and nobody works on them.`,
        remedy: 'Start a control plane with the role worker (WIREBOT_ROLES), or find out what keeps it so busy.',
      },
    ];
  }
}
