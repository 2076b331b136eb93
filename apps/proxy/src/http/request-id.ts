import { randomBytes } from 'node:crypto';

const prefix = randomBytes(9).toString('base64url');
let count = 0;

/** Unique over restarts and processes, and cheap: it is made for every request. */
export function nextRequestId(): string {
  count += 1;
  return `${prefix}-${count.toString(36)}`;
}
