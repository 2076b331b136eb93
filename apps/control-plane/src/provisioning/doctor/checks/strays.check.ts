import { Injectable } from '@nestjs/common';
import { Database } from '#libs/database';
import { suspiciousReasons } from '../../inventory/collection-rules.js';
import { isUpgrading, type Sighting, strays } from '../../inventory/comparison.js';
import { idsOn } from '../../inventory/host-survey.js';
import { DoctorCheck, type Examination, type LookedAtHost, type Severity, type Symptom } from '../check.js';

const MOST = 100;

/** What is on hosts and in no row. The inventory deals with it in its time; here it is only told, also without one. */
@Injectable()
export class StraysCheck extends DoctorCheck {
  readonly name = 'stray';
  readonly fine = 'nothing is on the hosts that the database does not know';

  constructor(private readonly database: Database) {
    super();
  }

  async look({ hosts }: Examination): Promise<Symptom[]> {
    return (await Promise.all(hosts.map((host) => this.#ofHost(host)))).flat();
  }

  async #ofHost({ row: host, survey }: LookedAtHost): Promise<Symptom[]> {
    if (!survey) return [];
    const [rows, count] = await this.database.system(async (tx) => [
      await tx.gateway.findMany({ where: { id: { in: idsOn(survey) } } }),
      await tx.gateway.count(),
    ]);
    const known = new Map(rows.map((row) => [row.id, { ...row, upgrading: isUpgrading(row) }]));
    const seen = strays(survey, host.id, known);
    const held = suspiciousReasons(seen, survey, count === 0);
    return seen.slice(0, MOST).map((sighting) => symptomOf(sighting, host.name, held.has(sighting.reason)));
  }
}

const SEVERITY: Record<Sighting['reason'], Severity> = {
  'unknown-gateway': 'warning',
  'leftover-gateway': 'warning',
  'gateway-on-other-host': 'broken',
  'orphan-folder': 'notice',
  'leftover-folder': 'notice',
  'kept-copy-left': 'notice',
  'orphan-secrets': 'warning',
};

const symptomOf = ({ reason, kind, name, message }: Sighting, host: string, held: boolean): Symptom => ({
  severity: held ? 'broken' : SEVERITY[reason],
  subject: `${kind} ${name} on host ${host}`,
  message,
  remedy: held
    ? `So much is unknown that the database is more likely to be wrong (empty, or restored from an old dump) than the host, so nothing is done. Restore the database; or, if it may go, confirm it: GET and POST /v1/admin/findings.`
    : reason === 'gateway-on-other-host'
      ? 'Find out which of the two is right: remove the host that is there twice, or this gateway.'
      : 'The inventory deals with it by itself, in the time that is set (docs/doctor.md).',
});
