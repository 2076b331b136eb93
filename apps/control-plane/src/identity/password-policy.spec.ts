import { assert, constantFrom, emailAddress, property, sample as sampleOf, string } from 'fast-check';
import { describe, expect, it } from 'vitest';
import { PASSWORD_LENGTH, passwordFault } from './password-policy.js';
import { hashPassword, normalizePassword, verifyPassword } from './passwords.js';

const EMAIL = 'jane.doe@acme-club.example';

describe('a password', () => {
  it.each([
    'correct horse battery',
    'tRq8-vvLm-2xKp',
    'three green parrots in a lift',
    'пароль для членов клуба',
    '合気道の朝は早い、とても早い',
    'Zk4#tgW9!mPq',
    'my password is a long sentence nobody knows',
  ])('will do: %s', (password) => {
    expect(passwordFault(password, EMAIL)).toBeUndefined();
  });

  it.each([
    ['short', 'fewer than 12'],
    ['elevenchars', 'fewer than 12'],
    ['x'.repeat(257), 'more than 256'],
    ['aaaaaaaaaaaaaaaa', 'different'],
    ['abababababababab', 'different'],
    ['password1234', 'everybody tries'],
    ['P@ssw0rd2026!', 'everybody tries'],
    ['passwordpassword', 'everybody tries'],
    ['123456789012', 'everybody tries'],
    ['qwertyuiop123', 'everybody tries'],
    ['Summer2026!!', 'everybody tries'],
    ['iloveyou123!', 'everybody tries'],
    ['wirebot-2026', 'everybody tries'],
    ['Wirebot!Wirebot!', 'everybody tries'],
    ['jane.doe@acme-club.example', 'your e-mail'],
    ['JaneDoe2026!', 'your e-mail'],
    ['acmeclub1234', 'your e-mail'],
    ['letmeinletmein', 'everybody tries'],
    ['administrator1', 'everybody tries'],
  ])('is refused: %s (%s)', (password, reason) => {
    expect(passwordFault(password, EMAIL)).toContain(reason);
  });

  it('counts characters, not bytes or halves of them', () => {
    expect(passwordFault('🦊🐺🐻🐼🐨🐯', EMAIL)).toContain('fewer than 12');
    expect(passwordFault('🦊🐺🐻🐼🐨🐯🦁🐮🐷🐸🐵🐔', EMAIL)).toBeUndefined();
  });

  it('of random letters of the least length will do nearly always', () => {
    const letters = string({
      unit: constantFrom(...'abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789'),
      minLength: PASSWORD_LENGTH.minimum + 4,
      maxLength: 64,
    });
    const sample = sampleOf(letters, { numRuns: 500, seed: 7 }).filter((text) => new Set(text).size > 8);
    const refused = sample.filter((text) => passwordFault(text, EMAIL) !== undefined);
    expect(sample.length).toBeGreaterThan(400);
    expect(refused).toEqual([]);
  });

  it('never makes the policy throw', () => {
    assert(
      property(string({ unit: 'grapheme', maxLength: 300 }), emailAddress(), (password, email) => {
        const fault = passwordFault(password, email);
        expect(fault === undefined || fault.length > 10).toBe(true);
      }),
    );
  });

  it('is the same however a keyboard composes it', async () => {
    const [composed, decomposed] = ['caf\u00e9 am Morgen', 'cafe\u0301 am Morgen'];
    expect(composed).not.toBe(decomposed);
    expect(normalizePassword(composed)).toBe(normalizePassword(decomposed));
    expect(await verifyPassword(await hashPassword(composed), decomposed)).toBe(true);
    expect(await verifyPassword(await hashPassword(composed), 'cafe am Morgen')).toBe(false);
    expect(await verifyPassword(undefined, 'nobody has this password')).toBe(false);
  });
});
