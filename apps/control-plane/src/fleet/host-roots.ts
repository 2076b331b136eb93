import { lstat, readdir, realpath } from 'node:fs/promises';
import { dirname, sep } from 'node:path';
import { isGatewayFolder } from '#libs/drivers/core';
import { HostUnusable } from './hosts.errors.js';

export interface Roots {
  readonly stateRoot: string;
  readonly secretsRoot: string;
}

/** What lies in a root besides gateways' folders: kept copies, proofs of a trial that was cut short, a file system's own. */
const HARMLESS = /^(\.kept|\.proof-[0-9a-f]+|lost\+found)$/;
/** Others than the owner may write there, as in /tmp and /dev/shm. */
const WRITABLE_BY_OTHERS = 0o022;

/**
 * Folders of a host are made private, filled and swept by the platform as root, so an operator's wish is not enough: nothing
 * else may be in them, nobody else may write there, and they may not overlap what the control plane keeps. Throws HostUnusable.
 */
export async function assertOwnRoots({ stateRoot, secretsRoot }: Roots, ownFolders: readonly string[]): Promise<void> {
  if (isWithin(stateRoot, secretsRoot) || isWithin(secretsRoot, stateRoot))
    throw new HostUnusable('stateRoot and secretsRoot lie within each other; choose two folders side by side.');
  for (const root of [stateRoot, secretsRoot]) {
    const own = ownFolders.find((folder) => isWithin(folder, root) || isWithin(root, folder));
    if (own !== undefined)
      throw new HostUnusable(`${root} overlaps a folder of the control plane itself; choose one that is nothing else.`);
    if (root.split(sep).some(isGatewayFolder))
      throw new HostUnusable(`${root} lies in a folder that belongs to one gateway; choose another one.`);
    await assertNobodyElses(root);
  }
}

const isWithin = (path: string, folder: string): boolean => `${path}${sep}`.startsWith(`${folder}${sep}`);

/** The path itself or the closest folder above that is there. */
const nearest = async (path: string): Promise<string> =>
  (await lstat(path).catch(() => undefined)) || dirname(path) === path ? path : nearest(dirname(path));

async function assertNobodyElses(root: string): Promise<void> {
  const there = await nearest(root);
  if ((await realpath(there)) !== there)
    throw new HostUnusable(`${root} is a link, or leads through one; name the folder itself.`);
  if (there !== root) return;
  const facts = await lstat(root);
  if (!facts.isDirectory()) throw new HostUnusable(`${root} is no folder.`);
  if ((facts.mode & WRITABLE_BY_OTHERS) !== 0)
    throw new HostUnusable(`Others may write into ${root}; choose a folder of its own below it.`);
  const foreign = (await readdir(root)).filter((name) => !isGatewayFolder(name) && !HARMLESS.test(name));
  if (foreign.length > 0)
    throw new HostUnusable(`${root} holds other things than gateways (${foreign.length}); choose an empty folder.`);
}
