import { once } from 'node:events';
import { constants } from 'node:os';
import { join, resolve } from 'node:path';
import {
  assertGatewayId,
  DriverError,
  ensurePrivateDirectory,
  type FileOwner,
  type GatewayAddress,
  GatewayDriver,
  type GatewayInventoryEntry,
  type GatewaySpec,
  type GatewayState,
  type HostFacts,
  isAlive,
  prepareSecretsRoot,
  removeDirectory,
  type ProcessIdentity,
  signalProcess,
  writeSecretsDirectory,
} from '#libs/drivers/core';
import { delay } from '#libs/kernel';
import { assertStartable, launch, type LaunchPlace, LOOPBACK, specHash } from './launch.js';
import { lastLines, trimLog } from './log-file.js';
import { findByStateDirectory } from './orphans.js';
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
/** Milliseconds. After SIGKILL only the kernel is waited for. */
const KILL_LIMIT = 5_000;
const ALIVE_POLL = 25;

const ISOLATION =
  'None but separate processes: gateways run as the same user on the same network as the platform. For development, and for members who trust each other.';

/** Gateways as plain processes of this user, for machines without a container engine. What it lacks: docs/drivers.md. */
export class ProcessDriver extends GatewayDriver {
  readonly name = 'process';
  readonly #records: Records;
  readonly #changes: Changes;
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
  }

  async prepare(signal: AbortSignal): Promise<HostFacts> {
    signal.throwIfAborted();
    await prepareSecretsRoot(this.options.secretsRoot, this.options.allowSecretsOnDisk ?? false);
    this.#records.prepare();
    return { hostAddressForGateways: LOOPBACK, isolation: ISOLATION };
  }

  async ensure(spec: GatewaySpec, signal: AbortSignal): Promise<GatewayAddress> {
    assertGatewayId(spec.id);
    await this.prepare(signal);
    const place = this.#place(spec.id);
    await ensurePrivateDirectory(place.stateDirectory, this.#owner);
    await writeSecretsDirectory(place.secretsDirectory, spec.secrets, this.#owner);
    const present = this.#find(spec.id);
    const hash = specHash(spec, place);
    if (present?.process && isAlive(present.process)) {
      if (present.hash === hash) return addressOf(present);
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
      return { status: 'running', generation, startedAt, address: addressOf(record) };
    }
    return { status: 'stopped', generation, exitCode: record.exitCode ?? null, oomKilled: false };
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

  async destroyState(id: string, signal: AbortSignal): Promise<void> {
    if ((await this.inspect(id, signal)).status === 'running') {
      throw new DriverError('gateway-running', `The gateway ${id} runs; remove it before its state.`, false);
    }
    await removeDirectory(this.#place(id).stateDirectory);
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

/** SIGTERM to the gateway, and when the time is over SIGKILL to it and whatever it has started. */
async function end(running: ProcessIdentity, graceSeconds: number, signal: AbortSignal): Promise<void> {
  signalProcess(running, 'SIGTERM');
  if (await ended(running, graceSeconds * 1_000, signal)) return;
  killGroup(running);
  if (!(await ended(running, KILL_LIMIT, signal))) {
    throw new DriverError(
      'engine-timeout',
      `The process ${running.pid} does not end after SIGKILL; it waits for the kernel or a disk.`,
      true,
    );
  }
}

async function ended(running: ProcessIdentity, milliseconds: number, signal: AbortSignal): Promise<boolean> {
  const until = Date.now() + milliseconds;
  while (isAlive(running)) {
    if (Date.now() >= until) return false;
    await delay(ALIVE_POLL, signal);
  }
  return true;
}

/** The negative pid is its process group: it leads one of its own. */
function killGroup(running: ProcessIdentity): void {
  try {
    if (isAlive(running)) process.kill(-running.pid, 'SIGKILL');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}
