import { join } from 'node:path';
import type { StackFile } from '#libs/contracts';
import { identifyProcess, isAlive, type ProcessIdentity } from '#libs/drivers/core';
import { backoff, delay } from '#libs/kernel';
import type { Credentials } from './bring-up.js';
import type { StartContext } from './context.js';
import { bringUpEngine } from './gateway-host.js';
import { rotateLog } from './log-file.js';
import {
  commandEnvironment,
  controlPlaneEnvironment,
  proxyEnvironment,
  type StackFacts,
  stackUrls,
} from './part-environment.js';
import { CONTROL_PLANE, PROXY } from './paths.js';
import { startPostgres } from './postgres.js';
import { answersOk } from './readiness.js';
import type { PartName } from './run-file.js';
import { writeJson } from './state-files.js';
import { SupervisedProcess } from './supervised-process.js';

/** Milliseconds. */
const READY_LIMIT = 60_000;
const WATCH_EVERY = 1_000;

/** Control plane and proxy as processes, and the watch over everything below them. */
export class RunningStack {
  readonly #processes: Record<PartName, SupervisedProcess>;
  #described = false;

  constructor(
    private readonly context: StartContext,
    private readonly facts: StackFacts,
    private readonly credentials: Credentials,
  ) {
    this.#processes = {
      'control-plane': this.#process('control-plane', CONTROL_PLANE, controlPlaneEnvironment(facts, context.env)),
      proxy: this.#process('proxy', PROXY, proxyEnvironment(facts, context.env)),
    };
  }

  /** Starts both side by side; resolves when both are ready and `stack.json` describes them. */
  async start(): Promise<StackFile> {
    const local = { 'control-plane': this.facts.ports.controlPlane, proxy: this.facts.ports.proxy };
    await this.context.console.step('Control plane and proxy', () =>
      Promise.all(
        (['control-plane', 'proxy'] as const).map(async (name) => {
          const part = this.#processes[name];
          await rotateLog(part.plan.logFile);
          await part.start();
          await part.untilReady(
            () => answersOk(`http://127.0.0.1:${local[name]}/ready`),
            READY_LIMIT,
            this.context.signal,
          );
        }),
      ),
    );
    this.#described = true;
    return this.#describe();
  }

  /** Keeps everything running until the signal aborts. */
  async supervise(signal: AbortSignal): Promise<void> {
    const { record } = this.context.run;
    await Promise.all([
      ...Object.values(this.#processes).map((part) => part.superviseUntil(signal)),
      ...(record.embeddedPostgres ? [this.#watchPostgres(signal)] : []),
      ...(record.host?.driver === 'docker' && record.host.ownEngine ? [this.#watchEngine(signal)] : []),
    ]);
  }

  #process(name: PartName, script: string, environment: Record<string, string>): SupervisedProcess {
    const logFile = join(this.context.paths.logs, `${name}.log`);
    return new SupervisedProcess(
      { name, script, environment, logFile },
      {
        say: this.context.console.warn,
        onIdentity: async (identity) => {
          await this.context.run.setPart(name, identity);
          if (this.#described) await this.#describe();
        },
      },
    );
  }

  async #describe(): Promise<StackFile> {
    const { admin, tenant } = this.credentials;
    const urls = stackUrls(this.facts, this.context.env);
    const { supervisor, parts } = this.context.run.record;
    const pids = {
      supervisor: supervisor.pid,
      ...Object.fromEntries(Object.entries(parts).map(([name, { pid }]) => [name, pid])),
    };
    const file: StackFile = {
      controlPlane: { url: urls.controlPlane },
      proxy: { url: urls.proxy },
      admin: { url: `${urls.controlPlane}/admin/`, ...admin },
      tenant: { ...tenant, url: `${urls.proxy}/t/${tenant.slug}` },
      driver: this.facts.host.driver,
      pids,
    };
    await writeJson(this.context.paths.environment, commandEnvironment(this.facts, this.context.env));
    await writeJson(this.context.paths.stack, file);
    return file;
  }

  #watchPostgres(signal: AbortSignal): Promise<void> {
    const { paths, instance } = this.context;
    const start = async () => identityOf(await startPostgres({ dataDir: paths.dataDir, instance, signal }));
    return this.#watch('PostgreSQL', start, signal);
  }

  #watchEngine(signal: AbortSignal): Promise<void> {
    const { paths, instance, console } = this.context;
    const start = async () => {
      const host = await bringUpEngine(instance, paths, console.note);
      await this.context.run.update({ host });
      return identityOf({ pid: host.enginePid ?? 0 });
    };
    return this.#watch('The Docker Engine', start, signal);
  }

  /** `start` adopts what runs, so it also tells who to watch first. */
  async #watch(name: string, start: () => Promise<ProcessIdentity | undefined>, signal: AbortSignal): Promise<void> {
    let watched = await start();
    for (let failures = 0; await pause(WATCH_EVERY, signal);) {
      if (watched && isAlive(watched)) continue;
      this.context.console.warn(`${name} ended; starting it again.`);
      try {
        watched = await start();
        failures = 0;
      } catch (error) {
        if (signal.aborted) return;
        failures += 1;
        this.context.console.warn((error as Error).message);
        await pause(backoff(failures, WATCH_EVERY, 30_000), signal);
      }
    }
  }
}

const identityOf = ({ pid }: { pid: number }): ProcessIdentity | undefined => identifyProcess(pid);

/** Waits; false when the signal aborted instead. */
const pause = (milliseconds: number, signal: AbortSignal): Promise<boolean> =>
  delay(milliseconds, signal).then(
    () => true,
    () => false,
  );
