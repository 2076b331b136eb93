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

let bootId: string | undefined;

function fromProc(pid: number): ProcessIdentity | undefined {
  const stat = readOptional(`/proc/${pid}/stat`);
  if (stat === undefined) return undefined;
  // The command name may hold spaces and brackets: fields are counted from the last bracket (proc(5): 3 is the state, 22 the start).
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const [state, started] = [fields[0], fields[19]];
  if (state === 'Z' || state === 'X' || started === undefined) return undefined;
  // Ticks count from the boot, so the boot belongs to the name.
  bootId ??= readOptional('/proc/sys/kernel/random/boot_id')?.trim() ?? '';
  return { pid, mark: `${bootId}:${started}` };
}

function fromPs(pid: number): ProcessIdentity | undefined {
  try {
    const line = execFileSync('ps', ['-o', 'stat=,lstart=', '-p', String(pid)], {
      encoding: 'utf8',
      timeout: 5_000,
    }).trim();
    const [stat = '', ...started] = line.split(/\s+/);
    return stat === '' || stat.startsWith('Z') ? undefined : { pid, mark: started.join(' ') };
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
