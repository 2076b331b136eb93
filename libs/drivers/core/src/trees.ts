import { constants, type Stats } from 'node:fs';
import {
  chmod,
  copyFile,
  lchown,
  lstat,
  lutimes,
  mkdir,
  open,
  readdir,
  readlink,
  symlink,
  utimes,
} from 'node:fs/promises';
import type { FileOwner } from './host-directories.js';
import { absent } from './usable.js';

/** As bytes: whoever fills a folder may use names that are no valid text, and must not hold up its copy with them. */
type Path = Buffer;

const SEPARATOR = Buffer.from('/');
const BLOCK = 512;
/** Shares blocks where the file system can, and never writes into what is there. */
const CLONE = constants.COPYFILE_FICLONE | constants.COPYFILE_EXCL;

const within = (folder: Path, name: Buffer): Path => Buffer.concat([folder, SEPARATOR, name]);
const namesIn = (folder: Path): Promise<Buffer[]> => readdir(folder, { encoding: 'buffer' });

/**
 * Copies a folder that nobody writes to, with owners, rights and times, and brings it to the disk before it resolves.
 * Links are copied as links and never followed; sockets, pipes and devices hold nothing and are left out.
 */
export const copyTree = (from: string, to: string, signal: AbortSignal): Promise<void> =>
  copyEntry(Buffer.from(from), Buffer.from(to), signal);

async function copyEntry(from: Path, to: Path, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted();
  const facts = await lstat(from);
  if (facts.isSymbolicLink()) return copyLink(from, to, facts);
  if (facts.isFile()) return copyContent(from, to, facts);
  if (facts.isDirectory()) return copyFolder(from, to, facts, signal);
}

async function copyFolder(from: Path, to: Path, facts: Stats, signal: AbortSignal): Promise<void> {
  await mkdir(to, { mode: 0o700 });
  for (const name of await namesIn(from)) await copyEntry(within(from, name), within(to, name), signal);
  await lchown(to, facts.uid, facts.gid);
  await chmod(to, facts.mode & 0o777);
  await utimes(to, facts.atime, facts.mtime);
  await flush(to);
}

async function copyContent(from: Path, to: Path, facts: Stats): Promise<void> {
  await copyFile(from, to, CLONE);
  const file = await open(to, constants.O_RDONLY | constants.O_NOFOLLOW);
  try {
    await file.chown(facts.uid, facts.gid);
    await file.chmod(facts.mode & 0o777);
    await file.utimes(facts.atime, facts.mtime);
    await file.sync();
  } finally {
    await file.close();
  }
}

async function copyLink(from: Path, to: Path, facts: Stats): Promise<void> {
  await symlink(await readlink(from, { encoding: 'buffer' }), to);
  await lchown(to, facts.uid, facts.gid);
  await lutimes(to, facts.atime, facts.mtime);
}

/** Makes what was created, renamed or removed in a folder survive a power cut. */
export async function flush(folder: Path | string): Promise<void> {
  const handle = await open(folder, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/**
 * Gives a folder with all in it to its owner, and takes every right away from others. The top comes last: while it is
 * wrong, the work is not done. Nobody else may be writing there, or they could slip a link under the change.
 */
export const ownTree = (top: string, owner: FileOwner): Promise<void> => ownEntry(Buffer.from(top), owner);

async function ownEntry(path: Path, owner: FileOwner): Promise<void> {
  const facts = await lstat(path);
  if (facts.isDirectory()) for (const name of await namesIn(path)) await ownEntry(within(path, name), owner);
  if (!facts.isSymbolicLink()) await chmod(path, privateMode(facts));
  if (facts.uid !== owner.uid || facts.gid !== owner.gid) await lchown(path, owner.uid, owner.gid);
}

const privateMode = (facts: Stats): number => (facts.isDirectory() ? 0o700 : (facts.mode & 0o100) | 0o600);

/** What a folder takes on its disk, as `du` counts: blocks, and a file with several names once. Zero when it is missing. */
export async function usedBytes(folder: string, signal: AbortSignal): Promise<number> {
  const counted = new Set<string>();
  const count = async (path: Path): Promise<number> => {
    signal.throwIfAborted();
    // A gateway at work deletes files while they are counted, or puts a file where a folder was.
    const facts = await lstat(path).catch(absent);
    if (!facts || seenBefore(facts, counted)) return 0;
    let bytes = facts.blocks * BLOCK;
    if (facts.isDirectory())
      for (const name of (await namesIn(path).catch(absent)) ?? []) bytes += await count(within(path, name));
    return bytes;
  };
  return count(Buffer.from(folder));
}

function seenBefore(facts: Stats, counted: Set<string>): boolean {
  if (facts.isDirectory() || facts.nlink < 2) return false;
  const name = `${facts.dev}:${facts.ino}`;
  if (counted.has(name)) return true;
  counted.add(name);
  return false;
}
