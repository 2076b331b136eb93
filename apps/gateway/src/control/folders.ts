import { readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';

/**
 * `.staged-<agentId>.<mark>`: an archive that is being unpacked. `.replaced-<agentId>.<mark>`: the folder it takes the place of.
 * `.snapshot-<agentId>.<mark>`: copies of databases that are being sent.
 */
export const STAGED = '.staged-';
export const REPLACED = '.replaced-';
export const SNAPSHOT = '.snapshot-';

/**
 * Finishes what a crash left of an import: a folder that was moved away and has no successor goes back to its place;
 * everything else staged, replaced or copied is rubbish. Runs before any agent is attached.
 */
export async function restoreFolders(agentsDir: string): Promise<void> {
  const names = await readdir(agentsDir);
  for (const name of names.filter((entry) => entry.startsWith(REPLACED))) {
    const agentId = name.slice(REPLACED.length).split('.')[0]!;
    if (names.includes(agentId)) await rm(join(agentsDir, name), { recursive: true, force: true });
    else await rename(join(agentsDir, name), join(agentsDir, agentId));
  }
  for (const name of names.filter((entry) => entry.startsWith(STAGED) || entry.startsWith(SNAPSHOT))) {
    await rm(join(agentsDir, name), { recursive: true, force: true });
  }
}
