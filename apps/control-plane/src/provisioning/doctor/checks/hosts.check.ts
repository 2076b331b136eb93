import { Injectable } from '@nestjs/common';
import { DoctorCheck, type Examination, type LookedAtHost, type Symptom } from '../check.js';

const SCARCE = 0.1;
const NEARLY_NONE = 0.03;
const GIBIBYTE = 1024 ** 3;

/** Every host answers and has room. */
@Injectable()
export class HostsCheck extends DoctorCheck {
  readonly name = 'hosts';
  readonly fine = 'every host answers and has disk left';

  async look({ hosts }: Examination): Promise<Symptom[]> {
    return hosts.flatMap((host) => [...silence(host), ...disk(host)]);
  }
}

function silence({ row, problem }: LookedAtHost): Symptom[] {
  if (problem === undefined) return [];
  const since = row.silentSince ? ` It has been silent since ${row.silentSince.toISOString()}.` : '';
  const lost = row.state === 'lost';
  return [
    {
      severity: lost ? 'notice' : 'broken',
      subject: `host ${row.name}`,
      message: `${lost ? 'It is declared lost, and does not answer' : 'It does not answer'}: ${problem}${since}`,
      remedy: lost
        ? 'When it is back, its gateways are ended before it takes new ones; remove it if it never comes back.'
        : 'Start its engine or repair the way to it; what is there goes on by itself then. If it is gone for good, declare it lost.',
    },
  ];
}

function disk({ row, usage }: LookedAtHost): Symptom[] {
  const space = usage?.disk;
  if (!space || space.freeBytes > space.totalBytes * SCARCE) return [];
  const none = space.freeBytes <= space.totalBytes * NEARLY_NONE;
  const percent = Math.round((1 - space.freeBytes / space.totalBytes) * 100);
  return [
    {
      severity: none ? 'broken' : 'warning',
      subject: `host ${row.name}`,
      message: `The disk that holds its gateways' state is ${percent} % full: ${(space.freeBytes / GIBIBYTE).toFixed(1)} GiB are left. When it is full, agents cannot keep what they are told.`,
      remedy:
        'Free space or enlarge it, or drain the host. Copies and orphans that take room are named by other checks.',
    },
  ];
}
