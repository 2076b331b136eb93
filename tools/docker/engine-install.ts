import { execFile } from 'node:child_process';
import { constants } from 'node:fs';
import { access, readFile } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';
import type { Say } from './say.js';

const run = promisify(execFile);
/** Milliseconds for one apt-get call; 12 s is usual. */
const APT_TIMEOUT = 300_000;

/**
 * Installs Docker's engine and iptables from the distribution where that can be done without a question: root on Debian or
 * Ubuntu. Says what it is about to do first; does nothing when they are there. Throws with what to do instead.
 */
export async function installEngine(options: { readonly onSay: Say }): Promise<void> {
  const missing = await missingPackages();
  if (missing.length === 0) return;
  if (process.getuid?.() !== 0)
    throw new Error(
      `Installing ${missing.join(' and ')} needs root. Install Docker yourself, or use the process driver.`,
    );
  if (!(await isDebianLike()))
    throw new Error(`Install ${missing.join(' and ')} with this system's package manager, or use the process driver.`);
  options.onSay(
    `installing ${missing.join(' and ')}: apt-get update, then apt-get install --no-install-recommends ${missing.join(' ')}`,
  );
  await apt(['update']);
  await apt(['install', '-y', '--no-install-recommends', ...missing]);
}

async function missingPackages(): Promise<string[]> {
  const missing: string[] = [];
  if (!(await onPath('dockerd'))) missing.push('docker.io');
  if (!(await onPath('iptables'))) missing.push('iptables');
  return missing;
}

async function onPath(program: string): Promise<boolean> {
  const folders = [...(process.env['PATH'] ?? '').split(delimiter), '/usr/local/sbin', '/usr/sbin', '/sbin'];
  const found = await Promise.all(folders.map((folder) => isExecutable(join(folder, program))));
  return found.includes(true);
}

const isExecutable = (path: string): Promise<boolean> =>
  access(path, constants.X_OK).then(
    () => true,
    () => false,
  );

async function isDebianLike(): Promise<boolean> {
  const text = await readFile('/etc/os-release', 'utf8').catch(() => '');
  return /^ID(_LIKE)?=.*\b(debian|ubuntu)\b/m.test(text);
}

async function apt(args: readonly string[]): Promise<void> {
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  try {
    await run('apt-get', ['-q', '-o', 'DPkg::Lock::Timeout=60', ...args], {
      env,
      timeout: APT_TIMEOUT,
      maxBuffer: 16 * 1024 * 1024,
    });
  } catch (error) {
    const said = String((error as { stderr?: string }).stderr ?? '').trim();
    throw new Error(`apt-get ${args[0] ?? ''} failed: ${said.split('\n').slice(-3).join(' ')}`, { cause: error });
  }
}
