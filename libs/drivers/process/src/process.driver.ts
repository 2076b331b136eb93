import { once } from 'node:events';
import { availableParallelism, constants, totalmem } from 'node:os';
import { join, resolve } from 'node:path';
import {
  assertGatewayId,
  DriverError,
  type FileOwner,
  type GatewayAddress,
  GatewayDriver,
  type GatewayInventoryEntry,
  type GatewayResources,
  type GatewaySpec,
  type GatewayState,
  type GatewayStats,
  type HostFacts,
  type HostUsage,
  isAlive,
  isFrozen,
  prepareSecretsRoot,
  removeDirectory,
  type ProcessIdentity,
  StateDirectories,
  writeSecretsDirectory,
} from '#libs/drivers/core';
import { assertBundle, assertStartable, launch, type LaunchPlace, LOOPBACK, specHash } from './launch.js';
import { lastLines, trimLog } from './log-file.js';
import { findByStateDirectory } from './orphans.js';
import { end, freeze, thaw } from './process-end.js';
import { readUse } from './process-use.js';
import { type ProcessRecord, Records } from './records.js';
import { Changes } from './changes.js';

export interface ProcessDriverOptions {
  /** Names this installation: 1-32 lower-case letters or digits. */
  readonly instance: string;
  /** As for the Docker driver. */
  readonly stateRoot: string;
  readonly secretsRoot: string;
  /** Process records and logs. */
  readonly runRoot: string;
  readonly nodePath: string;
  readonly allowSecretsOnDisk?: boolean;
}

/** Seconds a replaced or removed gateway has to end by itself. */
const REPLACE_GRACE = 25;

const ISOLATION =
  'None but separate processes: gateways run as the same user on the same network as the platform. For development, and for members who trust each other.';

/** Gateways as plain processes of this user, for machines without a container engine. What it lacks: docs/drivers.md. */
export class ProcessDriver extends GatewayDriver {
  readonly name = 'process';
  readonly #records: Records;
  readonly #changes: Changes;
  readonly #states: StateDirectories;
  /** Of the processes this one started, by keyOf: settles when the exit code is written down. */
  readonly #exits = new Map<string, Promise<void>>();
  readonly #owner: FileOwner = { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 };

  constructor(private readonly options: ProcessDriverOptions) {
    super();
    if (!/^[a-z0-9]{1,32}$/.test(options.instance)) {
      throw new DriverError('engine-refused', 'An instance is named by 1-32 lower-case letters or digits.', false);
    }
    this.#records = new Records(join(options.runRoot, options.instance));
    this.#changes = new Changes(() => this.#alive());
    this.#states = new StateDirectories(options.stateRoot);
  }

  async prepare(signal: AbortSignal): Promise<HostFacts> {
    signal.throwIfAborted();
    await prepareSecretsRoot(this.options.secretsRoot, this.options.allowSecretsOnDisk ?? false);
    await this.#states.prepare();
    this.#records.prepare();
    return { hostAddressForGateways: LOOPBACK, isolation: ISOLATION };
  }

  async ensure(spec: GatewaySpec, signal: AbortSignal): Promise<GatewayAddress> {
    assertGatewayId(spec.id);
    await this.prepare(signal);
    const place = this.#place(spec.id);
    await this.#states.ready(spec.id, this.#owner, async () => this.#checked(spec.id, signal) !== undefined);
    await writeSecretsDirectory(place.secretsDirectory, spec.secrets, this.#owner);
    const present = this.#find(spec.id);
    const hash = specHash(spec, place);
    if (present?.process && isAlive(present.process)) {
      if (present.hash === hash) {
        thaw(present.process);
        return addressOf(present);
      }
      await end(present.process, REPLACE_GRACE, signal);
    }
    await assertStartable(spec);
    await trimLog(place.logFile);
    signal.throwIfAborted();
    this.#start(spec, place, hash);
    return addressOf(spec);
  }

  async writeSecrets(id: string, secrets: Readonly<Record<string, string>>, signal: AbortSignal): Promise<void> {
    assertGatewayId(id);
    signal.throwIfAborted();
    await writeSecretsDirectory(this.#place(id).secretsDirectory, secrets, this.#owner);
  }

  async inspect(id: string, signal: AbortSignal): Promise<GatewayState> {
    assertGatewayId(id);
    signal.throwIfAborted();
    await this.#exitWrittenDown(id);
    const record = this.#find(id);
    if (!record) return { status: 'absent' };
    const { generation, startedAt } = record;
    if (record.process && isAlive(record.process)) {
      const status = isFrozen(record.process) ? 'paused' : 'running';
      return { status, generation, startedAt, address: addressOf(record) };
    }
    return { status: 'stopped', generation, exitCode: record.exitCode ?? null, oomKilled: false };
  }

  async resolveImage(reference: string, signal: AbortSignal): Promise<string> {
    signal.throwIfAborted();
    await assertBundle(reference);
    return resolve(reference);
  }

  async stop(id: string, graceSeconds: number, signal: AbortSignal): Promise<void> {
    assertGatewayId(id);
    signal.throwIfAborted();
    const running = this.#find(id)?.process;
    if (running) await end(running, graceSeconds, signal);
    await this.#exitWrittenDown(id);
  }

  async remove(id: string, signal: AbortSignal): Promise<void> {
    await this.stop(id, REPLACE_GRACE, signal);
    await removeDirectory(this.#place(id).secretsDirectory);
    this.#records.remove(id);
  }

  async pause(id: string, signal: AbortSignal): Promise<void> {
    const running = this.#checked(id, signal);
    if (!running || !(await freeze(running, signal))) {
      throw new DriverError('engine-refused', `The gateway ${id} does not run, so it cannot be paused.`, false);
    }
  }

  async resume(id: string, signal: AbortSignal): Promise<void> {
    const running = this.#checked(id, signal);
    if (running) thaw(running);
  }

  /** Nothing of it can be changed alive: V8 takes its heap's limit at the start, and there are no others (docs/drivers.md). */
  async adjust(id: string, _resources: GatewayResources, signal: AbortSignal): Promise<void> {
    this.#checked(id, signal);
  }

  async stats(id: string, signal: AbortSignal): Promise<GatewayStats> {
    const running = this.#checked(id, signal);
    const use = running ? await readUse(running.pid) : { memoryBytes: null, cpuSeconds: null, pids: null };
    return { ...use, diskBytes: await this.#states.usedBytes(id, signal) };
  }

  async usage(signal: AbortSignal): Promise<HostUsage> {
    signal.throwIfAborted();
    return { cpus: availableParallelism(), memoryBytes: totalmem(), disk: await this.#states.disk() };
  }

  async keepState(id: string, name: string, signal: AbortSignal): Promise<void> {
    this.#assertEnded(id, signal);
    await this.#states.keep(id, name, signal);
  }

  async restoreState(id: string, name: string, signal: AbortSignal): Promise<void> {
    this.#assertEnded(id, signal);
    await this.#states.restore(id, name, signal);
  }

  async dropState(id: string, name: string, signal: AbortSignal): Promise<void> {
    this.#checked(id, signal);
    await this.#states.drop(id, name);
  }

  async destroyState(id: string, signal: AbortSignal): Promise<void> {
    this.#assertEnded(id, signal);
    await this.#states.destroy(id);
  }

  async listStates(signal: AbortSignal): Promise<{ readonly id: string; readonly kept: readonly string[] }[]> {
    signal.throwIfAborted();
    return this.#states.list();
  }

  async list(signal: AbortSignal): Promise<GatewayInventoryEntry[]> {
    signal.throwIfAborted();
    return this.#all().map((record) => ({
      id: record.id,
      generation: record.generation,
      running: record.process !== undefined && isAlive(record.process),
    }));
  }

  watch(signal: AbortSignal): AsyncIterable<string> {
    return this.#changes.watch(signal);
  }

  async logs(id: string, lines: number, signal: AbortSignal): Promise<string[]> {
    assertGatewayId(id);
    signal.throwIfAborted();
    return lastLines(this.#records.logFile(id), lines);
  }

  /** The living process of a gateway, for calls that need nothing else. */
  #checked(id: string, signal: AbortSignal): ProcessIdentity | undefined {
    assertGatewayId(id);
    signal.throwIfAborted();
    const process = this.#find(id)?.process;
    return process && isAlive(process) ? process : undefined;
  }

  #assertEnded(id: string, signal: AbortSignal): void {
    if (this.#checked(id, signal)) {
      throw new DriverError('gateway-running', `The gateway ${id} runs; stop it before its state is touched.`, false);
    }
  }

  /** Written down before and after: a crash in between leaves a record without a process, and #find looks for it. */
  #start(spec: GatewaySpec, place: LaunchPlace, hash: string): void {
    const { id, generation, port, controlPort } = spec;
    const record: ProcessRecord = { id, generation, hash, port, controlPort, startedAt: new Date().toISOString() };
    this.#records.write(record);
    const { child, identity } = launch(spec, place);
    this.#records.write({ ...record, process: identity });
    const exited = (once(child, 'exit') as Promise<[number | null, NodeJS.Signals | null]>).then(([code, name]) => {
      this.#writeExit(id, identity, code ?? 128 + (name ? constants.signals[name] : 0));
    });
    this.#exits.set(keyOf(identity), exited);
    this.#changes.wake();
  }

  #writeExit(id: string, ended: ProcessIdentity, exitCode: number): void {
    this.#exits.delete(keyOf(ended));
    const latest = this.#records.find(id);
    if (latest?.process?.mark === ended.mark && latest.process.pid === ended.pid)
      this.#records.write({ ...latest, exitCode });
    this.#changes.wake();
  }

  /** The kernel shows the end of a process a moment before Node tells its exit code. */
  async #exitWrittenDown(id: string): Promise<void> {
    const ended = this.#find(id)?.process;
    if (ended && !isAlive(ended)) await this.#exits.get(keyOf(ended));
  }

  #find(id: string): ProcessRecord | undefined {
    const record = this.#records.find(id);
    if (!record || record.process) return record;
    const orphan = findByStateDirectory(this.#place(id).stateDirectory);
    if (!orphan) return record;
    const completed = { ...record, process: orphan };
    this.#records.write(completed);
    return completed;
  }

  #all(): ProcessRecord[] {
    return this.#records.ids().flatMap((id) => this.#find(id) ?? []);
  }

  #alive(): Map<string, string> {
    const running = this.#all().flatMap(({ id, process }) => (process && isAlive(process) ? [{ id, process }] : []));
    return new Map(running.map(({ id, process }) => [id, keyOf(process)]));
  }

  #place(id: string): LaunchPlace {
    const { instance, nodePath, secretsRoot, stateRoot } = this.options;
    return {
      nodePath,
      title: `wirebot-${instance}-${id}`,
      stateDirectory: resolve(stateRoot, id),
      secretsDirectory: resolve(secretsRoot, id),
      logFile: this.#records.logFile(id),
    };
  }
}

const keyOf = ({ pid, mark }: ProcessIdentity): string => `${pid}:${mark}`;

const addressOf = ({ port, controlPort }: Pick<ProcessRecord, 'port' | 'controlPort'>): GatewayAddress => ({
  host: LOOPBACK,
  port,
  controlPort,
});
