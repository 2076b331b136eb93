import { rm } from 'node:fs/promises';
import { isAlive, type ProcessIdentity, signalProcess } from '#libs/drivers/core';
import { delay } from '#libs/kernel';
import { readJson, writeJson } from './state-files.js';

/** Milliseconds between two looks at a process that is ending. */
const POLL = 20;

export type PartName = 'control-plane' | 'proxy';
export const PART_NAMES: readonly PartName[] = ['control-plane', 'proxy'];

/** Where gateways of this stack run, as much as stopping them needs. */
export type HostRecord =
  | {
      readonly driver: 'docker';
      readonly socketPath: string;
      readonly ownEngine: boolean;
      readonly enginePid: number | null;
    }
  | { readonly driver: 'process' };

/** `.wirebot/run.json`: what runs, so that a later start or stop finds it after any crash. */
export interface RunRecord {
  readonly supervisor: ProcessIdentity;
  readonly host: HostRecord | null;
  /** True when PostgreSQL is the embedded one. */
  readonly embeddedPostgres: boolean;
  readonly parts: Partial<Record<PartName, ProcessIdentity>>;
  readonly urls: { readonly proxy: string; readonly controlPlane: string; readonly broker: string } | null;
  readonly gatewayPorts: { readonly from: number; readonly to: number } | null;
}

/** The record of this run. Writes follow one another, so the file always holds a whole one. */
export class RunFile {
  #record: RunRecord;
  #writing: Promise<void> = Promise.resolve();

  constructor(
    private readonly path: string,
    supervisor: ProcessIdentity,
  ) {
    this.#record = { supervisor, host: null, embeddedPostgres: false, parts: {}, urls: null, gatewayPorts: null };
  }

  static read = (path: string): Promise<RunRecord | undefined> => readJson<RunRecord>(path);

  get record(): RunRecord {
    return this.#record;
  }

  update(change: Partial<RunRecord>): Promise<void> {
    this.#record = { ...this.#record, ...change };
    const record = this.#record;
    this.#writing = this.#writing.then(() => writeJson(this.path, record));
    return this.#writing;
  }

  setPart(name: PartName, identity: ProcessIdentity | undefined): Promise<void> {
    const { [name]: _gone, ...others } = this.#record.parts;
    return this.update({ parts: identity ? { ...others, [name]: identity } : others });
  }

  async remove(): Promise<void> {
    await this.#writing;
    await rm(this.path, { force: true });
  }
}

/** SIGTERM, then SIGKILL when it takes too long or `force` aborts. Never reaches a process that merely has the same pid. */
export async function endProcess(
  identity: ProcessIdentity,
  graceMs: number,
  force?: AbortSignal,
): Promise<'gone' | 'ended' | 'killed'> {
  if (!signalProcess(identity, 'SIGTERM')) return 'gone';
  const end = Date.now() + graceMs;
  const hurried = () => force?.aborted === true;
  while (isAlive(identity) && Date.now() < end && !hurried()) await delay(POLL);
  if (!signalProcess(identity, 'SIGKILL')) return 'ended';
  while (isAlive(identity)) await delay(POLL);
  return 'killed';
}
