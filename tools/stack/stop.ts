import { isAlive, signalProcess } from '#libs/drivers/core';
import { delay } from '#libs/kernel';
import type { StackOptions } from '../build/arguments.mjs';
import { tryClaim } from './claim.js';
import type { StackConsole } from './console.js';
import { readOptional } from './optional-file.js';
import { stackPaths } from './paths.js';
import { RunFile } from './run-file.js';
import { shutDown } from './shutdown.js';
import { StackError } from './stack-error.js';
import { rm } from 'node:fs/promises';

/** Everything a stack stops has a limit of its own; this is more than their sum in any usual case. */
const SUPERVISOR_LIMIT = 180_000;

/** Stops a stack: through its supervisor, or, when that is dead, what its record names. Answers the exit code. */
export async function stop(options: StackOptions, console: StackConsole): Promise<number> {
  const paths = stackPaths(options.dataDir);
  const record = await RunFile.read(paths.run);
  if (!record) {
    console.note('Nothing runs.');
    return 0;
  }
  if (isAlive(record.supervisor)) return stopSupervisor(record.supervisor, console);
  const claim = await tryClaim(`stack:${paths.dataDir}`);
  if (!claim) throw new StackError('starting', 'A start of this stack is just beginning. Try again in a moment.');
  console.note('The supervisor is gone; stopping what it left.');
  const instance = ((await readOptional(paths.instance)) ?? '').trim();
  const stopped = await shutDown({ record, instance, paths, console });
  await rm(paths.run, { force: true });
  await claim.release();
  return stopped ? 0 : 1;
}

async function stopSupervisor(supervisor: { pid: number; mark: string }, console: StackConsole): Promise<number> {
  const startedAt = performance.now();
  signalProcess(supervisor, 'SIGTERM');
  const end = Date.now() + SUPERVISOR_LIMIT;
  while (isAlive(supervisor)) {
    if (Date.now() > end)
      throw new StackError(
        'stop-timeout',
        `The supervisor (pid ${supervisor.pid}) is still stopping things. Its terminal says what takes so long.`,
      );
    await delay(50);
  }
  console.done('Everything stopped', startedAt);
  return 0;
}
