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

/**
 * What a program said last, for a message: from its last error on, because Node prints a long trace behind the sentence
 * that matters, else the last lines.
 */
export function lastWords(text: string, lines = 8): string {
  const all = text.trimEnd().split('\n').slice(-60);
  const error = all.findLastIndex((line) => /^(\w*Error\b|\S*\[?ERR_|Uncaught)/.test(line));
  return (error < 0 ? all.slice(-lines) : all.slice(error, error + lines)).join('\n');
}

export const lastLines = async (path: string): Promise<string> => lastWords((await readOptional(path)) ?? '');
