import { hash, verify } from '@node-rs/argon2';
import { PasswordTooWeak } from './identity.errors.js';

export const PASSWORD_MINIMUM = 12;
/** argon2id; 19 MiB, two passes: OWASP's first recommendation. */
const COST = { algorithm: 2, memoryCost: 19_456, timeCost: 2, parallelism: 1 } as const;

let decoy: Promise<string> | undefined;

export async function hashPassword(password: string): Promise<string> {
  if (password.length < PASSWORD_MINIMUM) throw new PasswordTooWeak(PASSWORD_MINIMUM);
  return hash(password, COST);
}

/** Takes as long without a stored hash (no such user) as with one. */
export async function verifyPassword(stored: string | undefined, password: string): Promise<boolean> {
  decoy ??= hash('nobody has this password', COST);
  const matches = await verify(stored ?? (await decoy), password);
  return matches && stored !== undefined;
}
