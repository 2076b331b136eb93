import { lstat, mkdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { StackError } from './stack-error.js';

/** Linux allows 107 bytes for the path of a unix socket; a margin is kept. */
const LONGEST_SOCKET_PATH = 100;

/** Creates a directory only its owner may enter. Refuses one that somebody else made first, which matters below /tmp. */
export async function ensurePrivateDirectory(path: string): Promise<string> {
  await mkdir(path, { recursive: true, mode: 0o700 });
  const found = await lstat(path);
  const ours = found.isDirectory() && found.uid === (process.getuid?.() ?? found.uid) && (found.mode & 0o077) === 0;
  if (!ours)
    throw new StackError(
      'directory-not-private',
      `${path} must be a directory of yours with mode 700. Remove it or correct it.`,
    );
  return path;
}

/** Where sockets go: in the data directory, or in a short place when that one is too deep for a socket's path. */
export async function ensureSocketDirectory(dataDir: string, instance: string, longestName: string): Promise<string> {
  const inside = join(dataDir, 'sockets');
  if (join(inside, longestName).length < LONGEST_SOCKET_PATH) return ensurePrivateDirectory(inside);
  const short = process.getuid?.() === 0 ? `/run/wirebot-${instance}-db` : join(tmpdir(), `wirebot-${instance}`);
  return ensurePrivateDirectory(short);
}
