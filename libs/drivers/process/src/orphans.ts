import { readdirSync, readFileSync } from 'node:fs';
import { identifyProcess, type ProcessIdentity } from '#libs/drivers/core';

/**
 * The process that was started with that state directory, for the case that the control plane was killed between starting
 * it and writing its pid down. The environment says so; it is readable for the same user only, which is who started it.
 * Systems without /proc find nothing: there the port stays taken and the error says so.
 */
export function findByStateDirectory(stateDirectory: string): ProcessIdentity | undefined {
  const wanted = `WIREBOT_STATE_DIR=${stateDirectory}`;
  for (const name of list('/proc')) {
    if (/^\d+$/.test(name) && environmentOf(name).includes(wanted)) return identifyProcess(Number(name));
  }
  return undefined;
}

function list(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}

function environmentOf(pid: string): string[] {
  try {
    return readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0');
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    // Ended meanwhile, or another user's: not the one we look for.
    if (code === 'ENOENT' || code === 'ESRCH' || code === 'EACCES' || code === 'EPERM') return [];
    throw error;
  }
}
