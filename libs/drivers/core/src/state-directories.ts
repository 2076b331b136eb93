import { randomBytes } from 'node:crypto';
import { lstat, mkdir, readdir, rename, rmdir, statfs } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { DriverError } from './errors.js';
import { isGatewayId } from './gateway-id.js';
import { ensurePrivateDirectory, type FileOwner, removeDirectory } from './host-directories.js';
import { copyTree, flush, ownTree, usedBytes } from './trees.js';
import { absent, usable } from './usable.js';

const KEPT = '.kept';
const COPY_NAME = /^[a-z0-9-]{1,32}$/;
/** A kept copy on the disk: its name and its edition. Replacing one is one rename, because the highest edition counts. */
const EDITION = /^([a-z0-9-]{1,32})\.(\d+)$/;
/** A copy being made, what is being deleted, and a copy whose way into place has been decided. */
const NEW = '.new-';
const GONE = '.gone-';
const NEXT = '.next';

interface Edition {
  readonly name: string;
  readonly number: number;
  readonly entry: string;
}

/**
 * The state directories of one host, `<root>/<gateway>`, and copies of them in `<root>/.kept/<gateway>`. Whoever calls
 * makes sure that the gateway does not run. Every change is one rename: after a kill -9 or a power cut at any point a copy
 * is there whole or not at all, and a state directory is the old one or the new one.
 */
export class StateDirectories {
  constructor(private readonly root: string) {}

  async prepare(): Promise<void> {
    await usable(this.root, () => mkdir(this.root, { recursive: true, mode: 0o700 }));
  }

  of(id: string): string {
    return resolve(this.root, id);
  }

  /**
   * Makes the directory, or repairs one that is somebody else's (restored by root, say). All in it only when the top is
   * wrong: looking at every file of every gateway at every start would take longer than starting them.
   */
  async ready(id: string, owner: FileOwner, runs: () => Promise<boolean>): Promise<void> {
    await this.#settle(id);
    const path = this.of(id);
    const facts = await usable(path, () => lstat(path).catch(absent));
    if (facts?.isDirectory() && (facts.uid !== owner.uid || facts.gid !== owner.gid)) {
      // One that runs could slip a link under the change; it cannot use its folder anyway, and is repaired when it ends.
      if (await runs()) return;
      await usable(path, () => ownTree(path, owner));
    }
    await ensurePrivateDirectory(path, owner);
  }

  async keep(id: string, name: string, signal: AbortSignal): Promise<void> {
    assertCopyName(name);
    await this.#settle(id);
    const folder = this.#kept(id);
    await usable(folder, async () => {
      await assertDirectory(this.of(id), `The gateway ${id} has no state directory to keep.`);
      await mkdir(folder, { recursive: true, mode: 0o700 });
      const made = await this.#copy(id, this.of(id), signal);
      const older = (await editionsIn(folder)).filter((edition) => edition.name === name);
      await rename(made, join(folder, `${name}.${(older.at(-1)?.number ?? 0) + 1}`));
      await flush(folder);
      await discard(folder, older);
    });
  }

  async restore(id: string, name: string, signal: AbortSignal): Promise<void> {
    assertCopyName(name);
    await this.#settle(id);
    const folder = this.#kept(id);
    await usable(folder, async () => {
      const kept = (await editionsIn(folder)).findLast((edition) => edition.name === name);
      if (!kept) throw unusable(`The gateway ${id} has no kept copy "${name}".`);
      const made = await this.#copy(id, join(folder, kept.entry), signal);
      // From here on it is decided: a crash is carried forward by the next call that looks at this gateway.
      await rename(made, join(folder, NEXT));
      await flush(folder);
    });
    await this.#settle(id);
  }

  async drop(id: string, name: string): Promise<void> {
    assertCopyName(name);
    const folder = this.#kept(id);
    await usable(folder, async () => {
      const editions = await editionsIn(folder);
      await discard(
        folder,
        editions.filter((edition) => edition.name === name),
      );
      await rmdir(folder).catch(unlessInUse);
    });
  }

  /** With its kept copies: what is deleted is deleted. They go first, so that none finds its way back. */
  async destroy(id: string): Promise<void> {
    await removeDirectory(this.#kept(id));
    await removeDirectory(this.of(id));
  }

  async list(): Promise<{ readonly id: string; readonly kept: readonly string[] }[]> {
    return usable(this.root, async () => {
      const ids = new Set([...(await namesIn(this.root)), ...(await namesIn(join(this.root, KEPT)))]);
      const known = [...ids].filter(isGatewayId).sort();
      return Promise.all(known.map(async (id) => ({ id, kept: await this.#keptNames(id) })));
    });
  }

  usedBytes(id: string, signal: AbortSignal): Promise<number> {
    return usable(this.of(id), () => usedBytes(this.of(id), signal));
  }

  /** Of the file system they are on; null before there is any. */
  async disk(): Promise<{ totalBytes: number; freeBytes: number } | null> {
    const facts = await usable(this.root, () => statfs(this.root).catch(absent));
    return facts ? { totalBytes: facts.blocks * facts.bsize, freeBytes: facts.bavail * facts.bsize } : null;
  }

  #kept(id: string): string {
    return resolve(this.root, KEPT, id);
  }

  async #keptNames(id: string): Promise<string[]> {
    return [...new Set((await editionsIn(this.#kept(id))).map(({ name }) => name))].sort();
  }

  /** A copy under a name of its own in the folder of kept ones. What earlier attempts left there goes first: it takes disk. */
  async #copy(id: string, from: string, signal: AbortSignal): Promise<string> {
    const folder = this.#kept(id);
    await sweep(folder);
    const made = join(folder, NEW + randomBytes(6).toString('hex'));
    try {
      await copyTree(from, made, signal);
    } catch (error) {
      // The failure is what counts; what cannot be deleted now is deleted by the next attempt.
      await removeDirectory(made).catch(() => undefined);
      throw error;
    }
    return made;
  }

  /** Finishes a restore that was decided and cut short. */
  async #settle(id: string): Promise<void> {
    const folder = this.#kept(id);
    const next = join(folder, NEXT);
    await usable(this.of(id), async () => {
      if (!(await lstat(next).catch(absent))) return;
      const gone = goneIn(folder);
      await rename(this.of(id), gone).catch(absent);
      try {
        await rename(next, this.of(id));
      } catch (error) {
        // Somebody else was faster, so what was just moved away is what they put there.
        await rename(gone, this.of(id)).catch(absent);
        return absent(error as NodeJS.ErrnoException);
      }
      await flush(this.root);
      await removeDirectory(gone);
    });
  }
}

function assertCopyName(name: string): void {
  if (!COPY_NAME.test(name)) {
    const message = `"${name.slice(0, 80)}" cannot name a copy: use up to 32 lower-case letters, digits and -.`;
    throw new DriverError('engine-refused', message, false);
  }
}

async function assertDirectory(path: string, message: string): Promise<void> {
  if (!(await lstat(path).catch(absent))?.isDirectory()) throw unusable(message);
}

const unusable = (message: string): DriverError => new DriverError('state-directory-unusable', message, false);

const goneIn = (folder: string): string => join(folder, GONE + randomBytes(6).toString('hex'));

const namesIn = async (folder: string): Promise<string[]> => (await readdir(folder).catch(absent)) ?? [];

/** Oldest first. */
async function editionsIn(folder: string): Promise<Edition[]> {
  const editions = (await namesIn(folder)).flatMap((entry) => {
    const [, name, number] = EDITION.exec(entry) ?? [];
    return name === undefined ? [] : [{ name, number: Number(number), entry }];
  });
  return editions.sort((a, b) => a.number - b.number);
}

/** Oldest first: cut short, it never lets an older edition come back. Renamed before, so that none is there in part. */
async function discard(folder: string, editions: readonly Edition[]): Promise<void> {
  for (const { entry } of editions) {
    const gone = goneIn(folder);
    await rename(join(folder, entry), gone).catch(absent);
    await removeDirectory(gone);
  }
}

async function sweep(folder: string): Promise<void> {
  const left = (await namesIn(folder)).filter((name) => name.startsWith(NEW) || name.startsWith(GONE));
  for (const name of left) await removeDirectory(join(folder, name));
}

function unlessInUse(error: NodeJS.ErrnoException): void {
  if (error.code !== 'ENOTEMPTY' && error.code !== 'ENOENT') throw error;
}
