import { randomBytes } from 'node:crypto';
import { type BeforeApplicationShutdown, Injectable, type OnApplicationBootstrap } from '@nestjs/common';
import { ControlPlaneConfig } from '#libs/config';
import { delay } from '#libs/kernel';
import { Log } from '../log.js';
import { BackupRunner } from './backup-runner.js';
import { BackupLost } from './backups.errors.js';
import type { BackupRow } from './backup-rows.js';
import { BackupsRepository } from './backups.repository.js';

const POLL_MS = 1_000;
/** A backup whose process says nothing for so long is another one's. */
const LEASE_SECONDS = 30;

/** Makes the backups that rows ask for, some at a time, in every process that works. */
@Injectable()
export class BackupWorker implements OnApplicationBootstrap, BeforeApplicationShutdown {
  readonly #owner: string;
  readonly #stop = new AbortController();
  #running: Promise<void>[] = [];

  constructor(
    private readonly config: ControlPlaneConfig,
    private readonly backups: BackupsRepository,
    private readonly runner: BackupRunner,
    private readonly log: Log,
  ) {
    this.#owner = `${config.nodeName}:${process.pid}:${randomBytes(6).toString('hex')}`;
  }

  async onApplicationBootstrap(): Promise<void> {
    if (!this.config.roles.includes('worker')) return;
    await this.backups.dropLeases(this.config.nodeName);
    this.#running = Array.from({ length: this.config.backups.atOnce }, () => this.#forEver());
  }

  async beforeApplicationShutdown(): Promise<void> {
    this.#stop.abort(new Error('the control plane is stopping'));
    await Promise.allSettled(this.#running);
  }

  /** Makes what is due now; resolves false when there was nothing. */
  async next(stop: AbortSignal): Promise<boolean> {
    const row = await this.backups.claim(this.#owner, LEASE_SECONDS);
    if (!row) return false;
    const lost = new AbortController();
    const renewing = setInterval(() => void this.#renew(row, lost), (LEASE_SECONDS * 1_000) / 3);
    try {
      await this.runner.run(row, AbortSignal.any([stop, lost.signal]));
    } catch (err) {
      if (stop.aborted) return false;
      if (!(err instanceof BackupLost) && !lost.signal.aborted) throw err;
      this.log.info({ backup: row.id }, 'backup given up: somebody else has it, or nobody wants it');
    } finally {
      clearInterval(renewing);
    }
    return true;
  }

  async #renew(row: BackupRow, lost: AbortController): Promise<void> {
    try {
      if (!(await this.backups.renew(row, LEASE_SECONDS))) lost.abort(new BackupLost(row.id));
    } catch (err) {
      // The database is away; if the lease runs out meanwhile, this process can write nothing about the backup.
      this.log.warn({ err, backup: row.id }, 'lease of a backup not renewed');
    }
  }

  async #forEver(): Promise<void> {
    const { signal } = this.#stop;
    while (!signal.aborted) {
      let busy = false;
      try {
        busy = await this.next(signal);
      } catch (err) {
        if (!signal.aborted) this.log.warn({ err }, 'making a backup failed; it comes again');
      }
      if (!busy) await delay(POLL_MS, signal).catch(() => undefined);
    }
  }
}
