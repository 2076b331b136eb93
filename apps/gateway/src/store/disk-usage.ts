import type { Clock } from '#libs/kernel';
import { statSync } from 'node:fs';
import { lstat, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { LIMITS } from '../limits.js';
import { DiskQuotaReached } from './store.errors.js';

/** What grows with every message: looked at each time, three calls to the kernel. */
const DATABASE = ['agent.db', 'agent.db-wal', 'agent.db-journal'];

/**
 * Bytes of one agent's folder. Its database counts as it is now; its other files are counted in the background, after work
 * and at most once a minute, however often somebody asks.
 */
export class DiskUsage {
  #files = 0;
  #measuredAt = -Infinity;
  #measuring: Promise<void> | undefined;

  /** `uptime`: a clock that never jumps. */
  constructor(
    private readonly folder: string,
    private readonly uptime: Clock,
  ) {}

  get bytes(): number {
    return DATABASE.reduce(
      (sum, name) => sum + (statSync(join(this.folder, name), { throwIfNoEntry: false })?.size ?? 0),
      this.#files,
    );
  }

  /** Throws DiskQuotaReached at the limit; null: there is none. */
  check(limit: number | null): void {
    if (limit !== null && this.bytes >= limit) throw new DiskQuotaReached(limit);
  }

  /** Counts again what is not the database, unless that was done a moment ago. */
  refresh(): Promise<void> {
    const now = this.uptime.now().getTime();
    if (now - this.#measuredAt < LIMITS.diskMeasure) return this.#measuring ?? Promise.resolve();
    this.#measuredAt = now;
    return (this.#measuring ??= this.#measure().finally(() => (this.#measuring = undefined)));
  }

  async #measure(): Promise<void> {
    let bytes = 0;
    const folders = [this.folder];
    for (let folder = folders.pop(); folder !== undefined; folder = folders.pop()) {
      for (const entry of await readdir(folder, { withFileTypes: true }).catch(nothing)) {
        if (entry.isDirectory()) folders.push(join(folder, entry.name));
        else if (folder !== this.folder || !/^agent\.db(-wal|-shm|-journal)?$/.test(entry.name))
          bytes += (await lstat(join(folder, entry.name)).catch(() => undefined))?.size ?? 0;
      }
    }
    this.#files = bytes;
  }
}

/** A folder that is gone, or that nobody may read, holds nothing that could be counted. */
const nothing = (): [] => [];
