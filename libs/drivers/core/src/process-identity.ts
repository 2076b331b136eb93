import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

/**
 * A process named so that a reused pid is not mistaken for it: the pid together with when the kernel started it.
 * `mark` is opaque; only compare it.
 */
export interface ProcessIdentity {
  readonly pid: number;
  readonly mark: string;
}

/** The living process with that pid, or undefined. A zombie has ended: it counts as gone. */
export function identifyProcess(pid: number): ProcessIdentity | undefined {
  if (!Number.isInteger(pid) || pid <= 1) return undefined;
  return process.platform === 'linux' ? fromProc(pid) : fromPs(pid);
}

export function isAlive(identity: ProcessIdentity): boolean {
  return identifyProcess(identity.pid)?.mark === identity.mark;
}

/** Signals exactly that process; false when it has ended (also when somebody else has its pid now). */
export function signalProcess(identity: ProcessIdentity, signal: NodeJS.Signals): boolean {
  if (!isAlive(identity)) return false;
  try {
    return process.kill(identity.pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false;
    throw error;
  }
}

/** True while it is stopped by a signal: it exists and gets no processor time until SIGCONT. */
export function isFrozen(identity: ProcessIdentity): boolean {
  if (!isAlive(identity)) return false;
  const state = process.platform === 'linux' ? stateFromProc(identity.pid) : stateFromPs(identity.pid);
  return state?.startsWith('T') ?? false;
}

/** The state of a process in one letter, followed by its processor time and start, as the kernel shows them (proc(5)). */
function procFields(pid: number): string[] | undefined {
  const stat = readOptional(`/proc/${pid}/stat`);
  // The command name may hold spaces and brackets: fields are counted from the last bracket.
  return stat?.slice(stat.lastIndexOf(')') + 2).split(' ');
}

const stateFromProc = (pid: number): string | undefined => procFields(pid)?.[0];

let bootId: string | undefined;

function fromProc(pid: number): ProcessIdentity | undefined {
  const fields = procFields(pid);
  const [state, started] = [fields?.[0], fields?.[19]];
  if (state === undefined || state === 'Z' || state === 'X' || started === undefined) return undefined;
  // Ticks count from the boot, so the boot belongs to the name.
  bootId ??= readOptional('/proc/sys/kernel/random/boot_id')?.trim() ?? '';
  return { pid, mark: `${bootId}:${started}` };
}

function fromPs(pid: number): ProcessIdentity | undefined {
  const [stat = '', ...started] = askPs(pid)?.split(/\s+/) ?? [];
  return stat === '' || stat.startsWith('Z') ? undefined : { pid, mark: started.join(' ') };
}

const stateFromPs = (pid: number): string | undefined => askPs(pid);

function askPs(pid: number): string | undefined {
  try {
    return execFileSync('ps', ['-o', 'stat=,lstart=', '-p', String(pid)], { encoding: 'utf8', timeout: 5_000 }).trim();
  } catch (error) {
    // ps answers 1 for a pid that does not exist; anything else (no ps, time-out) must be seen.
    if ((error as { status?: number }).status === 1) return undefined;
    throw error;
  }
}

function readOptional(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === 'ENOENT' || code === 'ESRCH') return undefined;
    throw error;
  }
}
