import { randomBytes } from 'node:crypto';
import { chmod, lchown, lstat, mkdir, readdir, readFile, rename, rm, statfs, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { DriverError } from './errors.js';
import { absent, usable } from './usable.js';

/** Who owns a gateway's folders: the user its process runs as. */
export interface FileOwner {
  readonly uid: number;
  readonly gid: number;
}

const TMPFS = 0x01021994;
const RAMFS = 0x858458f6;
const SECRET_PATH = /^[A-Za-z0-9_-][A-Za-z0-9._-]*(\/[A-Za-z0-9_-][A-Za-z0-9._-]*)*$/;

/** True when what is written there never reaches a disk (swap aside). The folder must exist. */
export async function isMemoryBacked(directory: string): Promise<boolean> {
  const { type } = await statfs(directory);
  return type === TMPFS || type === RAMFS;
}

/** The first place of this machine that is held in memory: /run, else /dev/shm. */
export async function defaultSecretsRoot(instance: string): Promise<string> {
  for (const parent of ['/run', '/dev/shm']) {
    const inMemory = await isMemoryBacked(parent).catch(() => false);
    if (inMemory) return join(parent, `wirebot-${instance}`, 'secrets');
  }
  throw new DriverError(
    'state-directory-unusable',
    'Neither /run nor /dev/shm is a tmpfs; mount one and set its path as the secrets root.',
    false,
  );
}

/**
 * Makes the root of all secrets and insists that it is held in memory, because a disk keeps what was deleted.
 * `allowDisk` is for machines without a tmpfs, where a person has decided so.
 */
export async function prepareSecretsRoot(root: string, allowDisk: boolean): Promise<void> {
  await usable(root, async () => {
    await mkdir(root, { recursive: true, mode: 0o700 });
    await chmod(root, 0o700);
  });
  if (!allowDisk && !(await isMemoryBacked(root))) {
    throw new DriverError(
      'state-directory-unusable',
      `${root} is on a disk: secrets belong on a tmpfs. Use a folder below /dev/shm or mount a tmpfs there.`,
      false,
    );
  }
}

/** A private folder (700) of that owner; keeps what is in it. */
export async function ensurePrivateDirectory(path: string, owner: FileOwner): Promise<void> {
  await usable(path, async () => {
    await mkdir(path, { recursive: true, mode: 0o700 });
    await own(path, owner, 0o700);
  });
}

/**
 * Makes a secrets directory hold exactly `secrets` (relative path -> value): files 600 in folders 700. Each file is
 * replaced atomically inside the same folder, so a process that has the folder mounted sees the new value or the old
 * one, never half of it. A crash leaves a mixture of old and new files, which the next call repairs.
 */
export async function writeSecretsDirectory(
  directory: string,
  secrets: Readonly<Record<string, string>>,
  owner: FileOwner,
): Promise<void> {
  for (const path of Object.keys(secrets)) {
    if (!SECRET_PATH.test(path))
      throw new DriverError(
        'engine-refused',
        `"${path.slice(0, 80)}" cannot name a secret: use a relative path of plain names.`,
        false,
      );
  }
  await ensurePrivateDirectory(directory, owner);
  await usable(directory, async () => {
    for (const [path, value] of Object.entries(secrets)) await writeSecret(directory, path, value, owner);
    await removeUnlisted(directory, '', new Set(Object.keys(secrets)));
  });
}

/** Deletes a folder and all in it; one that is not there is deleted already. */
export async function removeDirectory(path: string): Promise<void> {
  await usable(path, () => rm(path, { recursive: true, force: true }));
}

async function writeSecret(root: string, path: string, value: string, owner: FileOwner): Promise<void> {
  const file = join(root, path);
  if (dirname(path) !== '.') await privateParents(root, dirname(path), owner);
  const present = await lstat(file).catch(absent);
  if (present?.isFile() && (await readFile(file, 'utf8')) === value) return own(file, owner, 0o600);
  if (present?.isDirectory()) await rm(file, { recursive: true });
  const temporary = join(dirname(file), `.new-${randomBytes(6).toString('hex')}`);
  await writeFile(temporary, value, { mode: 0o600, flag: 'wx' });
  await own(temporary, owner, 0o600);
  await rename(temporary, file);
}

async function privateParents(root: string, path: string, owner: FileOwner): Promise<void> {
  let folder = root;
  for (const name of path.split('/')) {
    folder = join(folder, name);
    const present = await lstat(folder).catch(absent);
    if (present && !present.isDirectory()) await rm(folder);
    if (!present?.isDirectory()) await mkdir(folder, { mode: 0o700 });
    await own(folder, owner, 0o700);
  }
}

async function removeUnlisted(root: string, below: string, listed: ReadonlySet<string>): Promise<void> {
  for (const entry of await readdir(join(root, below), { withFileTypes: true })) {
    const path = below === '' ? entry.name : `${below}/${entry.name}`;
    const isParent = [...listed].some((name) => name.startsWith(`${path}/`));
    if (entry.isDirectory() && isParent) await removeUnlisted(root, path, listed);
    else if (!listed.has(path)) await rm(join(root, path), { recursive: true, force: true });
  }
}

async function own(path: string, { uid, gid }: FileOwner, mode: number): Promise<void> {
  const now = await lstat(path);
  if ((now.mode & 0o777) !== mode) await chmod(path, mode);
  // Only root may give files away; a driver without root runs gateways as itself and has nothing to change.
  if (now.uid !== uid || now.gid !== gid) await lchown(path, uid, gid);
}
