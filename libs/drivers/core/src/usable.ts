import { DriverError } from './errors.js';

const FULL = new Set(['ENOSPC', 'EDQUOT']);
const PASSING = new Set(['EMFILE', 'ENFILE', 'EAGAIN']);

/** Work on files below `path`: what the system refuses becomes a DriverError that says where and what to do about it. */
export async function usable<T>(path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    const { code, syscall } = error as NodeJS.ErrnoException;
    // Not the system's: ours, or the reason of whoever aborted.
    if (error instanceof DriverError || typeof code !== 'string') throw error;
    const full = FULL.has(code);
    const message = full
      ? `The disk that holds ${path} is full (${syscall ?? 'write'}: ${code}). Free space on it; it is tried again.`
      : `${path} cannot be used (${syscall ?? 'access'}: ${code}). Check owner, rights and free space.`;
    throw new DriverError('state-directory-unusable', message, full || PASSING.has(code), { cause: error });
  }
}

/** For lookups: what is not there is undefined, every other failure stays one. */
export function absent(error: NodeJS.ErrnoException): undefined {
  if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return undefined;
  throw error;
}
