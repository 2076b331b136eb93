import { hash, verify } from '@node-rs/argon2';

/** argon2id; 19 MiB, two passes: OWASP's first recommendation. */
const COST = { algorithm: 2, memoryCost: 19_456, timeCost: 2, parallelism: 1 } as const;

let decoy: Promise<string> | undefined;

/** The same characters however a keyboard composes them. Source: NIST SP 800-63B, 5.1.1.2. */
export const normalizePassword = (password: string): string => password.normalize('NFKC');

/** Check it against the policy first (`assertPassword`). */
export const hashPassword = (password: string): Promise<string> => hash(normalizePassword(password), COST);

/** Takes as long without a stored hash (no such user) as with one. */
export async function verifyPassword(stored: string | undefined, password: string): Promise<boolean> {
  decoy ??= hash('nobody has this password', COST);
  const matches = await verify(stored ?? (await decoy), normalizePassword(password));
  return matches && stored !== undefined;
}
