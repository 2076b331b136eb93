import { readFile } from 'node:fs/promises';

/** The file's text, or undefined when there is none (also for a /proc entry of a process that just ended). */
export async function readOptional(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === 'ENOENT' || code === 'ESRCH' || code === 'ENOTDIR') return undefined;
    throw error;
  }
}

/** The last lines of a log, for an error message. */
export const lastLines = async (path: string, lines = 8): Promise<string> =>
  ((await readOptional(path)) ?? '').trimEnd().split('\n').slice(-lines).join('\n');
