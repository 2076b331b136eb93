import { randomBytes } from 'node:crypto';
import { chmod, link, mkdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { generateBrokerKey, parsePrivateKeys } from '#libs/broker-keys';
import { readOptional } from './optional-file.js';
import { ensurePrivateDirectory } from './private-directory.js';
import { StackError } from './stack-error.js';

/** Replaces the file in one step, mode 600: readers see the old content or the new one. */
async function writePrivate(path: string, text: string): Promise<void> {
  const next = await writeBeside(path, text);
  await rename(next, path);
}

/** Writes the file unless it exists; whatever came first stays. Answers the content that counts. */
async function createOnce(path: string, text: string): Promise<string> {
  const present = await readOptional(path);
  if (present !== undefined) return present;
  const next = await writeBeside(path, text);
  try {
    await link(next, path);
    return text;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    return (await readOptional(path)) ?? text;
  } finally {
    await rm(next, { force: true });
  }
}

async function writeBeside(path: string, text: string): Promise<string> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  const next = `${path}.${randomBytes(4).toString('hex')}.new`;
  // `flush` survives a power cut: these files are small and few.
  await writeFile(next, text, { mode: 0o600, flush: true });
  return next;
}

const toFile = (value: unknown): string => `${JSON.stringify(value, null, 2)}\n`;

export const writeJson = (path: string, value: unknown): Promise<void> => writePrivate(path, toFile(value));

export async function readJson<T>(path: string): Promise<T | undefined> {
  const text = await readOptional(path);
  if (text === undefined) return undefined;
  try {
    return JSON.parse(text) as T;
  } catch (error) {
    throw new StackError('state-file-broken', `${path} is not JSON. Delete it, then start again.`, { cause: error });
  }
}

/** Eight hex characters that name this installation on an engine; made once. */
export async function ensureInstance(path: string): Promise<string> {
  const instance = (await createOnce(path, `${randomBytes(4).toString('hex')}\n`)).trim();
  if (/^[0-9a-f]{8}$/.test(instance)) return instance;
  throw new StackError(
    'instance-broken',
    `${path} must hold eight hex characters. Restore it: gateways are found by it.`,
  );
}

/** The installation's own secrets, made once. Losing `master-key` loses every stored credential. */
export async function ensureSecrets(directory: string): Promise<void> {
  await ensurePrivateDirectory(directory);
  for (const name of ['master-key', 'proxy-credential']) {
    const path = join(directory, name);
    await createOnce(path, randomBytes(32).toString('hex'));
    if (((await stat(path)).mode & 0o077) !== 0) await chmod(path, 0o600);
  }
}

/**
 * The model broker's key pair, made once: the private half for the proxy, the public half for the control plane, which
 * seals tenants' provider keys to it. The public file follows the private one, so a rotation only changes that.
 */
export async function ensureBrokerKeys(proxySecrets: string, secrets: string): Promise<void> {
  await ensurePrivateDirectory(proxySecrets);
  const fresh = await generateBrokerKey();
  const text = await createOnce(join(proxySecrets, 'broker-keys.json'), toFile({ keys: [fresh.privateJwk] }));
  const [current] = await parsePrivateKeys(text);
  const publicFile = join(secrets, 'broker-public.json');
  const wanted = toFile(current.publicJwk);
  if ((await readOptional(publicFile)) !== wanted) await writePrivate(publicFile, wanted);
}
