import { open, readFile, writeFile } from 'node:fs/promises';

/** Bytes of older output that survive a start: enough for the reason of the last crash. */
const KEPT = 64 * 1024;
/** Bytes read for the last lines. */
const READ = 256 * 1024;

/** Shortens a log to its end. Done at every start, so a log grows with one run only. */
export async function trimLog(file: string): Promise<void> {
  const tail = await lastBytes(file, KEPT);
  if (tail !== undefined) await writeFile(file, tail, { mode: 0o600 });
}

export async function lastLines(file: string, lines: number): Promise<string[]> {
  const text = ((await lastBytes(file, READ)) ?? Buffer.alloc(0)).toString('utf8').trimEnd();
  return text === '' ? [] : text.split('\n').slice(-lines);
}

async function lastBytes(file: string, bytes: number): Promise<Buffer | undefined> {
  try {
    const handle = await open(file, 'r');
    try {
      const { size } = await handle.stat();
      if (size <= bytes) return await readFile(handle);
      const buffer = Buffer.alloc(bytes);
      const { bytesRead } = await handle.read(buffer, 0, bytes, size - bytes);
      return buffer.subarray(0, bytesRead);
    } finally {
      await handle.close();
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}
