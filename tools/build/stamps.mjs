import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';

const SKIPPED = new Set(['node_modules', 'generated', 'dist']);
const isSpec = (name) => /\.(spec|e2e-spec)\.ts$/.test(name);

/** All files below the given paths (a path may be a file or missing), sorted; tests do not count as sources. */
export function sourceFiles(root, paths) {
  return paths
    .flatMap((path) => filesBelow(join(root, path)))
    .map((file) => relative(root, file))
    .sort();
}

function filesBelow(path) {
  if (!existsSync(path)) return [];
  if (statSync(path).isFile()) return [path];
  return readdirSync(path, { withFileTypes: true }).flatMap((entry) => {
    if (SKIPPED.has(entry.name) || isSpec(entry.name)) return [];
    return entry.isDirectory() ? filesBelow(join(path, entry.name)) : [join(path, entry.name)];
  });
}

/** Hash over names and contents: a touched file alone rebuilds nothing, a changed, new or deleted one does. */
export function fingerprint(root, paths) {
  const hash = createHash('sha256');
  for (const file of sourceFiles(root, paths)) {
    const content = readFileSync(join(root, file));
    hash.update(`${file}\0${content.length}\0`).update(content);
  }
  return hash.digest('hex');
}

/** True when the stamp says that exactly these inputs were built and the outputs are still there. */
export function isCurrent(stampFile, print, outputs) {
  return (
    existsSync(stampFile) && readFileSync(stampFile, 'utf8') === print && outputs.every((output) => existsSync(output))
  );
}

/**
 * Runs `work` between taking the stamp away and writing it: killed in between, the next run builds again. The inputs are
 * read before, so a file saved during the build also leads to another one.
 */
export async function withStamp(stampFile, print, work) {
  rmSync(stampFile, { force: true });
  await work();
  mkdirSync(dirname(stampFile), { recursive: true });
  writeFileSync(`${stampFile}.new`, print);
  renameSync(`${stampFile}.new`, stampFile);
}
