import { randomBytes } from 'node:crypto';
import { readFile, rename, writeFile } from 'node:fs/promises';
import { generateBrokerKey, parsePrivateKeys } from '#libs/broker-keys';

/** Older private keys that are kept, so that what was sealed to them can be opened. */
const KEPT = 5;

/**
 * Puts a new key pair in place. The private file first: in between, nothing is sealed to a key that the broker does not
 * have. Both are read again by running processes.
 */
export async function rotateBrokerKey(privateFile: string, publicFile: string): Promise<{ kid: string; kept: number }> {
  const older = await readOlder(privateFile);
  const fresh = await generateBrokerKey();
  const keys = [fresh, ...older].slice(0, KEPT + 1);
  await replace(privateFile, { keys: keys.map((key) => key.privateJwk) });
  await replace(publicFile, fresh.publicJwk);
  return { kid: fresh.kid, kept: keys.length - 1 };
}

async function readOlder(file: string): Promise<Awaited<ReturnType<typeof parsePrivateKeys>> | []> {
  try {
    return await parsePrivateKeys(await readFile(file, 'utf8'));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}

async function replace(file: string, content: unknown): Promise<void> {
  const beside = `${file}.${randomBytes(4).toString('hex')}.new`;
  await writeFile(beside, `${JSON.stringify(content, null, 2)}\n`, { mode: 0o600, flush: true });
  await rename(beside, file);
}
