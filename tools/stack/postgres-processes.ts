import { readdir, readlink, realpath } from 'node:fs/promises';
import { join } from 'node:path';
import { identifyProcess, type ProcessIdentity } from '#libs/drivers/core';
import { readOptional } from './optional-file.js';

/** The server of this data directory that `postmaster.pid` names, or undefined when the file is stale or missing. */
export async function findPostmaster(
  dataDir: string,
): Promise<{ identity: ProcessIdentity; socketDir: string } | undefined> {
  const [pid, , , , socketDir] = ((await readOptional(join(dataDir, 'postmaster.pid'))) ?? '').split('\n');
  const identity = identifyProcess(Number(pid));
  // Every process of the server works in its data directory: a pid that now belongs to another program does not.
  if (!identity || !(await worksIn(identity.pid, dataDir))) return undefined;
  return { identity, socketDir: socketDir ?? '' };
}

/** Processes of this data directory, for the moment after a postmaster was killed: its children end by themselves. */
export async function serverProcesses(dataDir: string): Promise<number[]> {
  const pids = (await readdir('/proc')).map(Number).filter((pid) => pid > 1);
  const found = await Promise.all(pids.map(async (pid) => ((await worksIn(pid, dataDir)) ? pid : 0)));
  return found.filter((pid) => pid > 0);
}

async function worksIn(pid: number, directory: string): Promise<boolean> {
  try {
    return (await readlink(`/proc/${pid}/cwd`)) === (await realpath(directory));
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    // Ended meanwhile, or somebody else's process: not ours.
    if (code === 'ENOENT' || code === 'ESRCH' || code === 'EACCES' || code === 'EPERM') return false;
    throw error;
  }
}
