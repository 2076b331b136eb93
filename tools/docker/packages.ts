import { execFile } from 'node:child_process';
import { constants } from 'node:fs';
import { access, readFile } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';
import type { Say } from './say.js';

const run = promisify(execFile);
/** Milliseconds for one apt-get call; 12 s is usual. */
const APT_TIMEOUT = 300_000;
const SYSTEM_FOLDERS = ['/usr/local/sbin', '/usr/sbin', '/sbin', '/usr/lib/podman', '/usr/libexec/podman'];

/** A program and the Debian package that brings it. */
export interface ProgramPackage {
  readonly program: string;
  readonly name: string;
}

export interface Installation {
  readonly onSay: Say;
  /** What to do where nothing can be installed, as the end of a sentence. */
  readonly otherwise: string;
  /** Services that the packages bring are not started: only their programs are wanted. */
  readonly programsOnly?: boolean;
}

/**
 * Installs what is missing from the distribution where that can be done without a question: root on Debian or Ubuntu. Says
 * what it is about to do first; does nothing when all is there. Throws with what to do instead.
 */
export async function installPackages(wanted: readonly ProgramPackage[], options: Installation): Promise<void> {
  const missing = await missingOf(wanted);
  if (missing.length === 0) return;
  const names = missing.join(' and ');
  if (process.getuid?.() !== 0) throw new Error(`Installing ${names} needs root. ${options.otherwise}.`);
  if (!(await isDebianLike()))
    throw new Error(`Install ${names} with this system's package manager. ${options.otherwise}.`);
  const list = missing.join(' ');
  options.onSay(`installing ${names}: apt-get update, then apt-get install --no-install-recommends ${list}`);
  const env = options.programsOnly ? { SYSTEMD_OFFLINE: '1', RUNLEVEL: '1' } : {};
  await apt(['update'], env);
  await apt(['install', '-y', '--no-install-recommends', ...missing], env);
}

/** The full path of an installed program; it may be in a folder that a plain user's PATH lacks. */
export async function findProgram(program: string): Promise<string | undefined> {
  const folders = [...(process.env['PATH'] ?? '').split(delimiter), ...SYSTEM_FOLDERS];
  for (const path of folders.map((folder) => join(folder, program))) if (await isExecutable(path)) return path;
  return undefined;
}

async function missingOf(wanted: readonly ProgramPackage[]): Promise<string[]> {
  const found = await Promise.all(wanted.map(({ program }) => findProgram(program)));
  return wanted.filter((_wanted, index) => found[index] === undefined).map(({ name }) => name);
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

async function apt(args: readonly string[], extra: NodeJS.ProcessEnv): Promise<void> {
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive', ...extra };
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
