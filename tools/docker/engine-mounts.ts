import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import type { Say } from './say.js';

const run = promisify(execFile);

/**
 * Unmounts what an ended engine leaves below its folders (its data folder on itself, network namespaces, overlays of
 * containers that were killed). Otherwise the folders could not be deleted.
 */
export async function unmountBelow(folders: readonly string[], onSay: Say): Promise<void> {
  const table = await readFile('/proc/self/mounts', 'utf8');
  const points = table.split('\n').map((line) => unescapePath(line.split(' ')[1] ?? ''));
  const below = points.filter((point) => folders.some((folder) => point === folder || point.startsWith(`${folder}/`)));
  // The table is in the order of mounting: what was mounted last goes first.
  for (const point of below.toReversed()) {
    // Still in use: the engine has ended all the same, and its folder is taken again by the next start.
    await run('umount', [point], { timeout: 10_000 }).catch((error: Error) =>
      onSay(`${point} stays mounted: ${error.message}`),
    );
  }
}

/** The kernel writes spaces and the like as octal numbers. */
const unescapePath = (path: string): string =>
  path.replace(/\\([0-7]{3})/g, (_match, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
