import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { pack } from 'tar-stream';

/** A file of an image or a build context. Everything is root's and dated 1970, so equal content gives equal layers. */
export interface ContextFile {
  readonly path: string;
  readonly content: Buffer | null; // null: a directory
  readonly mode: number;
}

export const hashOf = (parts: readonly (string | Buffer)[]): string => {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(`${part.length}:`).update(part);
  return hash.digest('hex');
};

export const hashOfFiles = (files: readonly ContextFile[]): string =>
  hashOf(files.flatMap(({ path, mode, content }) => [path, mode.toString(8), content ?? '']));

export function tarOf(files: readonly ContextFile[]): Readable {
  const tar = pack();
  for (const { path, content, mode } of files) {
    const header = { name: path, mode, uid: 0, gid: 0, mtime: new Date(0) };
    if (content === null) tar.entry({ ...header, type: 'directory' });
    else tar.entry(header, content);
  }
  tar.finalize();
  return Readable.from(tar);
}
