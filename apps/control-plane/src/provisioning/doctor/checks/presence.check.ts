import { Injectable } from '@nestjs/common';
import { Database } from '#libs/database';
import { DoctorCheck, type Examination, type LookedAtHost, type Symptom } from '../check.js';
import { RowRepairs } from '../row-repairs.js';

/** A gateway that was made or ended this moment may be in one reading and not in the other, in milliseconds. */
const SETTLED_MS = 5_000;

/** Every gateway that serves by its row runs on its host. */
@Injectable()
export class PresenceCheck extends DoctorCheck {
  readonly name = 'gateway-missing';
  readonly fine = 'every gateway that should serve runs on its host';

  constructor(
    private readonly database: Database,
    private readonly repairs: RowRepairs,
  ) {
    super();
  }

  async look({ hosts, now }: Examination): Promise<Symptom[]> {
    const rows = await this.database.once((client) =>
      client.gateway.findMany({
        where: { phase: 'ready', phaseSince: { lt: new Date(now.getTime() - SETTLED_MS) } },
        select: { id: true, hostId: true },
      }),
    );
    return hosts.flatMap((host) => {
      const expected = rows.filter((row) => row.hostId === host.row.id).map(({ id }) => id);
      return host.survey ? missing(host, expected).map(([id, how]) => this.#symptom(id, how, host.row.name)) : [];
    });
  }

  #symptom(id: string, how: string, host: string): Symptom {
    return {
      severity: 'broken',
      subject: `gateway ${id}`,
      message: `Its row says that it serves, but on host ${host} it ${how}.`,
      remedy: 'Look at it again now: it is started with the state it has.',
      repair: () => this.repairs.lookAgain('gateway', id),
    };
  }
}

function missing({ survey }: LookedAtHost, expected: readonly string[]): [string, string][] {
  const there = new Map(survey!.gateways.map((entry) => [entry.id, entry.running]));
  return expected.flatMap((id): [string, string][] => {
    const runs = there.get(id);
    return runs ? [] : [[id, runs === undefined ? 'is not there' : 'does not run']];
  });
}
