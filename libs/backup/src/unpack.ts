import { createWriteStream } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { extract } from 'tar-stream';
import { isContained } from './archive-check.js';
import { BackupDamaged } from './errors.js';

/**
 * Writes the files of an opened archive below `folder`, which is empty and nobody else's. Paths stay below it and nothing is
 * written through a link; whether the content is right is only sure once the archive's `whole` has resolved.
 */
export async function unpackInto(folder: string, tar: Readable): Promise<void> {
  const entries = extract();
  const reading = pipeline(tar, entries);
  reading.catch(() => undefined); // awaited below
  for await (const entry of entries) {
    const { name, type } = entry.header;
    if (type === 'directory') {
      entry.resume();
      continue;
    }
    if (type !== 'file' || !isContained(name)) throw new BackupDamaged('a path leads out of the folder');
    const path = join(folder, name);
    await mkdir(dirname(path), { recursive: true, mode: 0o700 });
    await pipeline(Readable.from(entry), createWriteStream(path, { flags: 'wx', mode: 0o600 }));
  }
  await reading;
}
