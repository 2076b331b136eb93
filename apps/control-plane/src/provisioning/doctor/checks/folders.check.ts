import { chmod, lstat, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { Injectable } from '@nestjs/common';
import { type FileOwner, isGatewayFolder } from '#libs/drivers/core';
import { containerUser } from '#libs/drivers/local';
import { deadline } from '#libs/kernel';
import { DoctorCheck, type Examination, type LookedAtHost, type Symptom } from '../check.js';
import { RowRepairs } from '../row-repairs.js';

const PRIVATE = 0o700;
/** Plain processes run as who starts them. */
const SELF: FileOwner = { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 };
const STOP_GRACE_SECONDS = 25;
const STOP_LIMIT_MS = 60_000;

/** State folders belong to who gateways run as, and nobody else reads them. */
@Injectable()
export class FoldersCheck extends DoctorCheck {
  readonly name = 'state-folder';
  readonly fine = 'state folders have the right owner and mode';

  constructor(private readonly repairs: RowRepairs) {
    super();
  }

  async look({ hosts }: Examination): Promise<Symptom[]> {
    return (await Promise.all(hosts.filter(({ driver }) => driver).map((host) => this.#ofHost(host)))).flat();
  }

  async #ofHost(host: LookedAtHost): Promise<Symptom[]> {
    const owner = host.row.driver === 'docker' ? containerUser() : SELF;
    const ids = (await readdir(host.stateRoot)).filter(isGatewayFolder);
    const found = await Promise.all(
      ids.map(async (id) => {
        const path = join(host.stateRoot, id);
        const facts = await lstat(path);
        const mode = facts.mode & 0o777;
        if (facts.uid !== owner.uid || facts.gid !== owner.gid)
          return [this.#owner(host, id, path, `${facts.uid}:${facts.gid}`, `${owner.uid}:${owner.gid}`)];
        return mode === PRIVATE ? [] : [openFolder(id, path, mode)];
      }),
    );
    return found.flat();
  }

  /** The driver repairs it whenever it starts a gateway that does not run, with all that is in it. */
  #owner(host: LookedAtHost, id: string, path: string, is: string, wanted: string): Symptom {
    return {
      severity: 'broken',
      subject: `gateway ${id}`,
      message: `Its state folder ${path} belongs to ${is} instead of ${wanted}: it cannot write there.`,
      remedy: 'Stop it, give its folder to whom it belongs, and start it again.',
      repair: async () => {
        await host.driver!.stop(id, STOP_GRACE_SECONDS, deadline(STOP_LIMIT_MS));
        await this.repairs.lookAgain('gateway', id);
      },
    };
  }
}

const openFolder = (id: string, path: string, mode: number): Symptom => ({
  severity: 'warning',
  subject: `gateway ${id}`,
  message: `Its state folder ${path} has mode ${mode.toString(8)} instead of 700: others of the machine may read it.`,
  remedy: 'Set its mode to 700.',
  repair: () => chmod(path, PRIVATE),
});
