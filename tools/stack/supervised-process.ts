import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { identifyProcess, type ProcessIdentity } from '#libs/drivers/core';
import { backoff, delay } from '#libs/kernel';
import { openLog } from './log-file.js';
import { lastLines } from './optional-file.js';
import { ROOT } from './paths.js';
import { StackError } from './stack-error.js';

export interface ProcessPlan {
  readonly name: string;
  readonly script: string;
  readonly environment: Record<string, string>;
  readonly logFile: string;
}

interface Watcher {
  /** Told before anything else can happen, so that a record of the process exists. */
  onIdentity(identity: ProcessIdentity | undefined): Promise<void>;
  say(text: string): void;
}

/** Milliseconds. A process that lived that long starts over with a short wait. */
const RESTART = { base: 250, cap: 3_000, settled: 2_000 } as const;

/** One part of the stack as a child process. After `superviseUntil` it is started again whenever it ends. */
export class SupervisedProcess {
  #child: ChildProcess | undefined;
  #startedAt = 0;

  constructor(
    readonly plan: ProcessPlan,
    private readonly watcher: Watcher,
  ) {}

  get running(): boolean {
    return this.#child !== undefined && this.#child.exitCode === null && this.#child.signalCode === null;
  }

  async start(): Promise<void> {
    const log = await openLog(this.plan.logFile);
    try {
      // Its own session: Ctrl-C in the terminal must reach the supervisor only, which stops the parts in order.
      this.#child = spawn(process.execPath, ['--enable-source-maps', this.plan.script], {
        cwd: ROOT,
        env: this.plan.environment,
        detached: true,
        stdio: ['ignore', log.fd, log.fd],
      });
    } finally {
      await log.close();
    }
    this.#child.on('error', (error) => this.watcher.say(`${this.plan.name} could not be started: ${error.message}`));
    this.#startedAt = Date.now();
    await this.watcher.onIdentity(this.#child.pid === undefined ? undefined : identifyProcess(this.#child.pid));
  }

  /** Resolves when `ready` says so; rejects with the log's end when the process ends before. */
  async untilReady(ready: () => Promise<boolean>, milliseconds: number, signal: AbortSignal): Promise<void> {
    const end = Date.now() + milliseconds;
    while (!(await ready())) {
      if (!this.running) throw await this.#fault('ended while starting');
      if (Date.now() > end) throw await this.#fault(`was not ready within ${milliseconds / 1000} s`);
      await delay(30, signal);
    }
  }

  /** Starts the process again each time it ends, until the signal aborts. */
  async superviseUntil(signal: AbortSignal): Promise<void> {
    for (let failures = 0; !signal.aborted; failures += 1) {
      await this.#ended(signal);
      if (signal.aborted) return;
      if (Date.now() - this.#startedAt > RESTART.settled) failures = 0;
      const wait = backoff(failures, RESTART.base, RESTART.cap);
      this.watcher.say(
        `${this.plan.name} ended (${this.#outcome()}); starting it again in ${(wait / 1000).toFixed(1)} s. Log: ${this.plan.logFile}`,
      );
      await delay(wait, signal).catch(() => undefined); // aborted: the loop's condition ends it
      if (!signal.aborted) await this.start();
    }
  }

  async #ended(signal: AbortSignal): Promise<void> {
    if (!this.running) return;
    await once(this.#child!, 'exit', { signal }).catch((error: Error) => {
      if (error.name !== 'AbortError') throw error;
    });
  }

  #outcome(): string {
    const { exitCode = null, signalCode = null } = this.#child ?? {};
    return signalCode ?? (exitCode === null ? 'not started' : `exit code ${exitCode}`);
  }

  async #fault(what: string): Promise<StackError> {
    return new StackError(
      `${this.plan.name}-not-ready`,
      `${this.plan.name} ${what}. Its log, ${this.plan.logFile}, says:\n${await lastLines(this.plan.logFile)}`,
    );
  }
}
