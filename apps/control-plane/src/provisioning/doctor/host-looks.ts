import { Injectable } from '@nestjs/common';
import { ControlPlaneConfig } from '#libs/config';
import { Database } from '#libs/database';
import { Clock, deadline } from '#libs/kernel';
import { HostDrivers } from '../../fleet/host-drivers.js';
import { secretsRootOf, stateRootOf } from '../../fleet/host-folders.js';
import { surveyHost } from '../inventory/host-survey.js';
import { toFailure } from '../provisioning.errors.js';
import type { Examination, LookedAtHost } from './check.js';

/** Longest look at one host, in milliseconds; all are looked at side by side. */
const HOST_LIMIT_MS = 10_000;

/** Reads every host once for all checks. One that does not answer is part of the examination. */
@Injectable()
export class HostLooks {
  constructor(
    private readonly database: Database,
    private readonly drivers: HostDrivers,
    private readonly config: ControlPlaneConfig,
    private readonly clock: Clock,
  ) {}

  async examine(signal: AbortSignal): Promise<Examination> {
    const rows = await this.database.once((client) =>
      client.host.findMany({ where: { state: { not: 'removed' } }, orderBy: { name: 'asc' } }),
    );
    return { now: this.clock.now(), hosts: await Promise.all(rows.map((row) => this.#look(row, signal))) };
  }

  async #look(row: LookedAtHost['row'], signal: AbortSignal): Promise<LookedAtHost> {
    const folders = { stateRoot: stateRootOf(row, this.config), secretsRoot: await secretsRootOf(row, this.config) };
    const limit = deadline(HOST_LIMIT_MS, signal);
    try {
      const driver = await this.drivers.of(row.id, limit);
      const [survey, usage] = await Promise.all([surveyHost(driver, folders.secretsRoot, limit), driver.usage(limit)]);
      return { row, ...folders, driver, survey, usage };
    } catch (error) {
      signal.throwIfAborted();
      const problem = limit.aborted ? `It did not answer within ${HOST_LIMIT_MS / 1000} s.` : toFailure(error).message;
      return { row, ...folders, problem };
    }
  }
}
