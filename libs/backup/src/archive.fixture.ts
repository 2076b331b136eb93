import type { ArchiveManifest } from '#libs/contracts';
import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { pack } from 'tar-stream';

export interface ArchivedFile {
  readonly path: string;
  readonly data: Uint8Array;
}

const sha256 = (data: Uint8Array): string => createHash('sha256').update(data).digest('hex');

/** An archive as gateways give it: files in order, the manifest last. `say` changes what the manifest says. */
export function archiveOf(
  files: readonly ArchivedFile[],
  say: (manifest: ArchiveManifest) => unknown = (manifest) => manifest,
): Readable {
  const tar = pack();
  for (const { path, data } of files) tar.entry({ name: path, mode: 0o600 }, Buffer.from(data));
  const entries = files.map(({ path, data }) => ({ path, size: data.length, sha256: sha256(data) }));
  const manifest = { agentId: 'agt_test', createdAt: '2026-01-01T00:00:00.000Z', files: entries };
  const said = say(manifest);
  if (said !== undefined) tar.entry({ name: 'manifest.json' }, typeof said === 'string' ? said : JSON.stringify(said));
  tar.finalize();
  return Readable.from(tar);
}
