import { randomBytes } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { SecretBox } from './secret-box.js';
import { SealedUnreadable } from './secrets.errors.js';

const root = randomBytes(32);
const box = new SecretBox(root);

describe('SecretBox', () => {
  it('opens what it sealed, also after a restart', () => {
    const sealed = box.seal('a secret', 'key/1');
    expect(new SecretBox(root).open(sealed, 'key/1').toString()).toBe('a secret');
    expect(sealed.toString('latin1')).not.toContain('a secret');
  });

  it('never seals the same secret to the same bytes', () => {
    expect(box.seal('a secret', 'key/1').equals(box.seal('a secret', 'key/1'))).toBe(false);
  });

  it.each([
    ['for another context', (sealed: Buffer) => () => box.open(sealed, 'key/2')],
    ['under another root', (sealed: Buffer) => () => new SecretBox(randomBytes(32)).open(sealed, 'key/1')],
    ['truncated', (sealed: Buffer) => () => box.open(sealed.subarray(0, 20), 'key/1')],
    ['with a changed last byte', (sealed: Buffer) => () => box.open(flip(sealed, sealed.length - 1), 'key/1')],
    ['with a changed nonce', (sealed: Buffer) => () => box.open(flip(sealed, 3), 'key/1')],
    ['of another version', (sealed: Buffer) => () => box.open(flip(sealed, 0), 'key/1')],
  ])('refuses a value %s', (_name, open) => {
    expect(open(box.seal('a secret', 'key/1'))).toThrow(SealedUnreadable);
  });
});

function flip(bytes: Buffer, index: number): Buffer {
  const copy = Buffer.from(bytes);
  copy[index]! ^= 1;
  return copy;
}
