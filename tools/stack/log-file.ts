import { mkdir, open, rename, stat } from 'node:fs/promises';
import { dirname } from 'node:path';

/** Bytes. Beyond that a start moves the file aside; two are kept. */
const LARGEST_LOG = 10 * 1024 * 1024;

/** Moves a log that has grown large to `<name>.1`. Only while nobody writes to it: at start. */
export async function rotateLog(path: string, largest = LARGEST_LOG): Promise<void> {
  const size = await stat(path).then(
    (found) => found.size,
    (error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return 0;
      throw error;
    },
  );
  if (size > largest) await rename(path, `${path}.1`);
}

/** Opens a log for a child process to append to. The child writes by itself, so it outlives a dead supervisor. */
export async function openLog(path: string) {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  return open(path, 'a', 0o600);
}
