import type { ArchiveManifest } from '#libs/contracts';
import { isObject } from '../config/shape.check.js';
import { ArchiveInvalid } from '../errors.js';
import { LIMITS } from '../limits.js';

export type FileEntry = ArchiveManifest['files'][number];

export const MOST_MANIFEST = 32 * 1024 * 1024;
/** Of file systems: bytes of one name. */
const MOST_NAME = 255;

/** A plain relative path; links are refused already, so a path that looks contained is. */
export function isContained(name: string): boolean {
  if (name.length === 0 || Buffer.byteLength(name) > LIMITS.archive.pathLength) return false;
  if (name.startsWith('/') || name.includes('\\') || name.includes('\0')) return false;
  // What SQLite would play back into a database that it does not belong to.
  if (/\.db-(wal|shm|journal)$/.test(name)) return false;
  return name
    .split('/')
    .every((part) => part !== '' && part !== '.' && part !== '..' && Buffer.byteLength(part) <= MOST_NAME);
}

export function parseManifest(text: string): ArchiveManifest {
  const manifest = JSON.parse(text) as unknown;
  if (!isObject(manifest) || typeof manifest['agentId'] !== 'string' || !Array.isArray(manifest['files']))
    throw new ArchiveInvalid('its manifest is damaged');
  if (!manifest['files'].every(isObject)) throw new ArchiveInvalid('its manifest is damaged');
  return manifest as unknown as ArchiveManifest;
}

export function compareWithManifest(manifest: ArchiveManifest, found: ReadonlyMap<string, FileEntry>): void {
  if (manifest.files.length !== found.size) throw new ArchiveInvalid('its files are not those of its manifest');
  const listed = new Set<string>();
  for (const { path, size, sha256 } of manifest.files) {
    const file = found.get(path);
    if (!file || listed.has(path) || file.size !== size || file.sha256 !== sha256) {
      throw new ArchiveInvalid('a file differs from its manifest');
    }
    listed.add(path);
  }
}
