import { DriverError, isAlive, isFrozen, type ProcessIdentity, signalProcess } from '#libs/drivers/core';
import { delay } from '#libs/kernel';

/** Milliseconds. After SIGKILL or SIGSTOP only the kernel is waited for. */
const KERNEL_LIMIT = 5_000;
const POLL = 25;

/** SIGTERM to the gateway, and when the time is over SIGKILL to it and whatever it has started. */
export async function end(running: ProcessIdentity, graceSeconds: number, signal: AbortSignal): Promise<void> {
  signalProcess(running, 'SIGTERM');
  // A frozen one hears of its end only when it goes on.
  signalGroup(running, 'SIGCONT');
  if (await becomes(() => !isAlive(running), graceSeconds * 1_000, signal)) return;
  signalGroup(running, 'SIGKILL');
  if (!(await becomes(() => !isAlive(running), KERNEL_LIMIT, signal))) {
    throw new DriverError(
      'engine-timeout',
      `The process ${running.pid} does not end after SIGKILL; it waits for the kernel or a disk.`,
      true,
    );
  }
}

/** Resolves once it is frozen; false when it ended instead. */
export async function freeze(running: ProcessIdentity, signal: AbortSignal): Promise<boolean> {
  signalGroup(running, 'SIGSTOP');
  if (!(await becomes(() => isFrozen(running) || !isAlive(running), KERNEL_LIMIT, signal))) {
    throw new DriverError('engine-timeout', `The process ${running.pid} does not stop after SIGSTOP.`, true);
  }
  return isAlive(running);
}

export const thaw = (running: ProcessIdentity): void => signalGroup(running, 'SIGCONT');

async function becomes(reached: () => boolean, milliseconds: number, signal: AbortSignal): Promise<boolean> {
  const until = Date.now() + milliseconds;
  while (!reached()) {
    if (Date.now() >= until) return false;
    await delay(POLL, signal);
  }
  return true;
}

/** The negative pid is its process group: it leads one of its own. */
function signalGroup(running: ProcessIdentity, name: NodeJS.Signals): void {
  try {
    if (isAlive(running)) process.kill(-running.pid, name);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}
