import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ProcessIdentity } from '#libs/drivers/core';

/** What is known of one gateway's process; it outlives both the process and the control plane. */
export interface ProcessRecord {
  readonly id: string;
  readonly generation: number;
  readonly hash: string;
  readonly port: number;
  readonly controlPort: number;
  readonly startedAt: string;
  /** Missing between "about to start" and "started": a crash in between leaves a process to be looked for. */
  readonly process?: ProcessIdentity;
  readonly exitCode?: number;
}

const SUFFIX = '.json';

/**
 * One file a gateway, replaced atomically. Synchronous on purpose: a record is read, decided on and written without
 * anything happening in between.
 */
export class Records {
  constructor(private readonly directory: string) {}

  prepare(): void {
    mkdirSync(this.directory, { recursive: true, mode: 0o700 });
  }

  find(id: string): ProcessRecord | undefined {
    try {
      return JSON.parse(readFileSync(this.#file(id), 'utf8')) as ProcessRecord;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      throw error;
    }
  }

  write(record: ProcessRecord): void {
    const temporary = `${this.#file(record.id)}.new`;
    writeFileSync(temporary, JSON.stringify(record), { mode: 0o600 });
    renameSync(temporary, this.#file(record.id));
  }

  remove(id: string): void {
    rmSync(this.#file(id), { force: true });
    rmSync(this.logFile(id), { force: true });
  }

  ids(): string[] {
    try {
      const names = readdirSync(this.directory).filter((name) => name.endsWith(SUFFIX));
      return names.map((name) => name.slice(0, -SUFFIX.length)).sort();
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
      throw error;
    }
  }

  logFile(id: string): string {
    return join(this.directory, `${id}.log`);
  }

  #file(id: string): string {
    return join(this.directory, `${id}${SUFFIX}`);
  }
}
