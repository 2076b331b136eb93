import { execFile, spawn } from 'node:child_process';
import { access, constants, mkdir } from 'node:fs/promises';
import { createConnection, createServer } from 'node:net';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';
import { delay } from '#libs/kernel';
import { findEngine } from '../../docker/engine.js';
import { bringUpEngine, gatewayImage, removeRunDirectories, stopOwnEngine } from '../gateway-host.js';
import { openLog } from '../log-file.js';
import { stackPaths } from '../paths.js';
import { startPostgres } from '../postgres.js';
import { endProcess, type HostRecord } from '../run-file.js';
import { identifyProcess } from '#libs/drivers/core';
import { StackError } from '../stack-error.js';

const run = promisify(execFile);
const APT_LIMIT = 600_000;
const REDIS_LIMIT = 10_000;

export interface TestBed {
  /** Fresh and private to this run; deleted at its end. */
  readonly directory: string;
  readonly instance: string;
  readonly env: NodeJS.ProcessEnv;
  readonly say: (text: string) => void;
  /** What ends with the run, in reverse order. */
  readonly cleanups: (() => Promise<unknown>)[];
}

/** A real thing that tests need: which variable names it and how it comes about. */
export interface TestPart {
  readonly label: string;
  readonly variable: string;
  provide(bed: TestBed): Promise<string>;
}

export const TEST_PARTS: readonly TestPart[] = [
  { label: 'PostgreSQL (embedded)', variable: 'WIREBOT_TEST_DATABASE_URL', provide: providePostgres },
  { label: 'Redis', variable: 'WIREBOT_TEST_REDIS_URL', provide: provideRedis },
  { label: 'Docker Engine', variable: 'WIREBOT_TEST_DOCKER_SOCKET', provide: provideEngine },
  { label: 'Gateway image', variable: 'WIREBOT_TEST_GATEWAY_IMAGE', provide: provideImage },
  { label: 'Chromium', variable: 'WIREBOT_TEST_CHROMIUM', provide: provideChromium },
];

/** Tests make hundreds of short-lived databases and kill the server at will: speed counts here, durability does not. */
async function providePostgres({ directory, instance, cleanups }: TestBed): Promise<string> {
  const extraSettings = { fsync: 'off', synchronous_commit: 'off', full_page_writes: 'off', max_connections: '300' };
  const server = await startPostgres({ dataDir: directory, instance, database: 'wirebot_test', extraSettings });
  cleanups.push(() => server.stop());
  return server.url;
}

async function provideRedis(bed: TestBed): Promise<string> {
  const program = await ensureProgram(['redis-server'], 'redis-server', bed);
  const port = await freePort();
  const directory = join(bed.directory, 'redis');
  await mkdir(directory, { recursive: true });
  const log = await openLog(join(bed.directory, 'logs', 'redis.log'));
  const flags = ['--port', String(port), '--bind', '127.0.0.1', '--dir', directory, '--save', '', '--appendonly', 'no'];
  const child = spawn(program, flags, { detached: true, stdio: ['ignore', log.fd, log.fd] });
  await log.close();
  child.unref();
  const identity = child.pid === undefined ? undefined : identifyProcess(child.pid);
  if (identity) bed.cleanups.push(() => endProcess(identity, REDIS_LIMIT));
  const end = Date.now() + REDIS_LIMIT;
  while (!(await accepts(port))) {
    if (Date.now() > end || child.exitCode !== null)
      throw new StackError('redis-not-ready', 'redis-server did not start.');
    await delay(20);
  }
  return `redis://127.0.0.1:${port}`;
}

async function provideEngine(bed: TestBed): Promise<string> {
  const present = await findEngine(bed.env);
  if (present) return present;
  if (process.getuid?.() !== 0)
    throw new StackError('engine-missing', 'no Docker Engine answers, and starting one needs root');
  const paths = stackPaths(bed.directory);
  bed.cleanups.push(() => removeRunDirectories(bed.instance));
  bed.cleanups.push(() => stopOwnEngine(bed.instance, paths, bed.say));
  return (await bringUpEngine(bed.instance, paths, bed.say)).socketPath;
}

async function provideImage(bed: TestBed): Promise<string> {
  const socketPath = bed.env['WIREBOT_TEST_DOCKER_SOCKET'];
  if (!socketPath) throw new StackError('engine-missing', 'it is built on the Docker Engine');
  const host: HostRecord = { driver: 'docker', socketPath, ownEngine: false, enginePid: null };
  return gatewayImage(host, bed.env, bed.say);
}

function provideChromium(bed: TestBed): Promise<string> {
  return ensureProgram(['chromium', 'chromium-browser', 'google-chrome'], 'chromium', bed);
}

/** Path of the first of these programs that is installed; else, as root on Debian or Ubuntu, installs the package. */
async function ensureProgram(names: readonly string[], debianPackage: string, { say }: TestBed): Promise<string> {
  const present = await findProgram(names);
  if (present) return present;
  if (process.getuid?.() !== 0 || !(await findProgram(['apt-get'])))
    throw new StackError(
      'program-missing',
      `${names[0]} is not installed, and installing it needs root on Debian or Ubuntu`,
    );
  say(`installing ${debianPackage} with apt-get`);
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  const apt = (...args: string[]) =>
    run('apt-get', ['-q', '-o', 'DPkg::Lock::Timeout=120', ...args], {
      env,
      timeout: APT_LIMIT,
      maxBuffer: 64 * 1024 * 1024,
    });
  await apt('update');
  await apt('install', '-y', '--no-install-recommends', debianPackage);
  const installed = await findProgram(names);
  if (!installed) throw new StackError('program-missing', `the package ${debianPackage} brought no ${names[0]}`);
  return installed;
}

async function findProgram(names: readonly string[]): Promise<string | undefined> {
  for (const folder of (process.env['PATH'] ?? '').split(delimiter)) {
    for (const name of names) {
      const path = join(folder, name);
      const usable = await access(path, constants.X_OK).then(
        () => true,
        () => false,
      );
      if (usable) return path;
    }
  }
  return undefined;
}

const freePort = (): Promise<number> =>
  new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });

const accepts = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = createConnection(port, '127.0.0.1');
    socket.once('connect', () => resolve(socket.destroy() !== undefined));
    socket.once('error', () => resolve(false));
  });
