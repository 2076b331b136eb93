import { Injectable } from '@nestjs/common';
import { Database } from '#libs/database';
import { Clock } from '#libs/kernel';
import { DoctorCheck, type Symptom } from '../check.js';

/** Leases and tokens are valid for seconds: clocks that differ by more make them end early or late. */
const TOLERATED_MS = 2_000;

/** This machine and the database agree on the time. */
@Injectable()
export class ClockCheck extends DoctorCheck {
  readonly name = 'clock';
  readonly fine = 'this machine and the database agree on the time';

  constructor(
    private readonly database: Database,
    private readonly clock: Clock,
  ) {
    super();
  }

  async look(): Promise<Symptom[]> {
    const before = this.clock.now().getTime();
    const [row] = await this.database.raw.$queryRaw<{ at: Date }[]>`SELECT clock_timestamp() AS at`;
    const after = this.clock.now().getTime();
    const skew = (row?.at.getTime() ?? after) - (before + after) / 2;
    if (Math.abs(skew) <= TOLERATED_MS + (after - before) / 2) return [];
    const seconds = (Math.abs(skew) / 1000).toFixed(1);
    return [
      {
        severity: 'warning',
        subject: 'clock',
        message: `The database's clock is ${seconds} s ${skew > 0 ? 'ahead of' : 'behind'} this machine's; leases and tokens end too ${skew > 0 ? 'early' : 'late'} then.`,
        remedy: 'Set both by NTP.',
      },
    ];
  }
}
