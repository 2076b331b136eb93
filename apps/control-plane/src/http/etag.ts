import { createHash } from 'node:crypto';
import { PreconditionFailed } from './http.errors.js';

/** The entity tag of whatever names a resource's version (its `updatedAt`, a generation). */
export const etagOf = (...version: readonly (string | number | bigint | Date)[]): string => {
  const text = version.map((part) => (part instanceof Date ? part.toISOString() : String(part))).join('\n');
  return `"${createHash('sha256').update(text).digest('base64url').slice(0, 22)}"`;
};

/** For a change with `If-Match`: throws PreconditionFailed unless it names the current version. Without the header anything goes. */
export function assertIfMatch(header: string | undefined, current: string): void {
  if (header === undefined || header.trim() === '*') return;
  // Weak tags never match here: If-Match compares strongly (RFC 9110, 13.1.1).
  if (!header.split(',').some((tag) => tag.trim() === current)) throw new PreconditionFailed();
}
