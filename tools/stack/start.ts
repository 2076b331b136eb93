import { mkdir, rm } from 'node:fs/promises';
import { identifyProcess } from '#libs/drivers/core';
import { delay } from '#libs/kernel';
import type { StackOptions } from '../build/arguments.mjs';
import { bringUp, endLeftovers } from './bring-up.js';
import { tryClaim } from './claim.js';
import type { StackConsole } from './console.js';
import type { StartContext } from './context.js';
import { greeting } from './greeting.js';
import { stackPaths } from './paths.js';
import { RunFile } from './run-file.js';
import { RunningStack } from './running-stack.js';
import { shutDown } from './shutdown.js';
import { StackError } from './stack-error.js';
import { ensureBrokerKeys, ensureInstance, ensureSecrets } from './state-files.js';
import { StopSignals } from './stop-signals.js';

/** How long a step that is under way may take to notice that the stack is to stop. */
const SETTLE_LIMIT = 15_000;

/** Starts everything, stays until a signal, stops everything. Answers the exit code. */
export async function start(options: StackOptions, console: StackConsole): Promise<number> {
  const paths = stackPaths(options.dataDir);
  await mkdir(paths.dataDir, { recursive: true, mode: 0o700 });
  const claim = await tryClaim(`stack:${paths.dataDir}`);
  const previous = await RunFile.read(paths.run);
  if (!claim) throw alreadyRunning(previous?.supervisor.pid, previous?.urls?.proxy);
  const signals = new StopSignals(console.note);
  const instance = await ensureInstance(paths.instance);
  await ensureSecrets(paths.secrets);
  await ensureBrokerKeys(paths.proxySecrets, paths.secrets);
  const run = new RunFile(paths.run, identifyProcess(process.pid)!);
  // After a kill -9 it still describes the old run; readers wait for this one's.
  await rm(paths.stack, { force: true });
  await rm(paths.environment, { force: true });
  await endLeftovers(previous, console.note);
  await run.update({});
  const context: StartContext = { options, env: process.env, paths, instance, console, run, signal: signals.stop };
  const outcome = await serve(context);
  const stopped = await shutDown({ record: run.record, instance, paths, console, force: signals.force });
  await run.remove();
  await claim.release();
  return outcome === 'stopped' && stopped ? 0 : 1;
}

const alreadyRunning = (pid: number | undefined, url: string | undefined): StackError =>
  new StackError(
    'already-running',
    `This stack is running already${pid ? ` (pid ${pid}${url ? `, ${url}` : ''})` : ''}. npm run status shows it, npm run stop stops it; --data-dir starts another one.`,
  );

async function serve(context: StartContext): Promise<'stopped' | 'failed'> {
  const work = live(context);
  try {
    await Promise.race([work, aborted(context.signal)]);
    return 'stopped';
  } catch (error) {
    if (!context.signal.aborted) {
      context.console.fail(
        error instanceof StackError || isDomain(error)
          ? (error as Error).message
          : ((error as Error).stack ?? String(error)),
      );
      return 'failed';
    }
    // Nothing may still be starting while the rest is being stopped.
    await Promise.race([work.catch(() => undefined), delay(SETTLE_LIMIT)]);
    return 'stopped';
  }
}

async function live(context: StartContext): Promise<void> {
  const { facts, credentials } = await bringUp(context);
  const stack = new RunningStack(context, facts, credentials);
  const file = await stack.start();
  console.log(greeting(file, context.paths, `${process.uptime().toFixed(1)} s`));
  await stack.supervise(context.signal);
}

/** Anything with a code of ours says what to do by itself. */
const isDomain = (error: unknown): boolean => typeof (error as { kind?: unknown }).kind === 'string';

const aborted = (signal: AbortSignal): Promise<never> =>
  new Promise((_resolve, reject) =>
    signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true }),
  );
