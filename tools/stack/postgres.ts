import { execFile, spawn } from 'node:child_process';
import { mkdir, open, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { identifyProcess, isAlive, type ProcessIdentity, signalProcess } from '#libs/drivers/core';
import { delay } from '#libs/kernel';
import { Client } from 'pg';
import { lastLines } from './optional-file.js';
import { chooseLauncher, type Launcher } from './postgres-binaries.js';
import { findPostmaster, serverProcesses } from './postgres-processes.js';
import { ensurePrivateDirectory, ensureSocketDirectory } from './private-directory.js';
import { StackError } from './stack-error.js';

const run = promisify(execFile);
const USER = 'postgres';
const SOCKET_LOCK = '.s.PGSQL.5432.lock';
/** Milliseconds. Replaying the log after a crash is what may take long. */
const LIMITS = {
  initialise: 60_000,
  ready: 60_000,
  orphans: 15_000,
  fastStop: 20_000,
  immediateStop: 5_000,
  poll: 20,
} as const;

export interface PostgresOptions {
  /** The stack's data directory; the cluster lives in its folder `postgres`. */
  readonly dataDir: string;
  readonly instance: string;
  readonly database?: string;
  readonly signal?: AbortSignal;
  readonly launcher?: Launcher['kind'];
  readonly extraSettings?: Readonly<Record<string, string>>;
}

export interface RunningPostgres {
  /** Of the database asked for, as the cluster's superuser, over the unix socket. */
  readonly url: string;
  readonly pid: number;
  /** True when a server was running already. */
  readonly adopted: boolean;
  stop(): Promise<void>;
}

/**
 * Real data lives here, so commits reach the disk (`fsync` and `synchronous_commit` stay on). No TCP port is opened.
 * Logins need no password: the socket lies in a directory that only this user may enter, so whoever reaches it could
 * read the data files as well; a password would only be one more secret to keep.
 */
const settings = (socketDir: string, extra: Readonly<Record<string, string>>): string[] =>
  Object.entries({
    listen_addresses: '',
    unix_socket_directories: socketDir,
    shared_buffers: '64MB',
    max_connections: '100',
    timezone: 'UTC',
    log_timezone: 'UTC',
    ...extra,
  }).flatMap(([name, value]) => ['-c', `${name}=${value}`]);

/** Starts the embedded server, or adopts the one that runs on this data directory, and makes sure the database exists. */
export async function startPostgres(options: PostgresOptions): Promise<RunningPostgres> {
  const directory = join(options.dataDir, 'postgres');
  const logFile = join(options.dataDir, 'logs', 'postgres.log');
  await mkdir(join(options.dataDir, 'logs'), { recursive: true, mode: 0o700 });
  const running = await findPostmaster(directory);
  const server = running ?? (await launch(options, directory, logFile));
  await untilReady(server.identity, server.socketDir, logFile, options.signal);
  await ensureDatabase(server.socketDir, options.database ?? 'wirebot');
  return {
    url: connectionUrl(server.socketDir, options.database ?? 'wirebot'),
    pid: server.identity.pid,
    adopted: running !== undefined,
    stop: () => stopServer(server.identity),
  };
}

/** Stops the server of a data directory, whoever started it. False when none runs. */
export async function stopPostgres(dataDir: string): Promise<boolean> {
  const running = await findPostmaster(join(dataDir, 'postgres'));
  if (running) await stopServer(running.identity);
  return running !== undefined;
}

const connectionUrl = (socketDir: string, database: string): string =>
  `postgresql://${USER}@localhost/${encodeURIComponent(database)}?host=${encodeURIComponent(socketDir)}`;

async function launch(options: PostgresOptions, directory: string, logFile: string) {
  const launcher = await chooseLauncher(options.launcher);
  await initialise(launcher, directory);
  const socketDir = await ensureSocketDirectory(options.dataDir, options.instance, SOCKET_LOCK);
  await clearLeftovers(directory, socketDir);
  const { file, args } = launcher.command('postgres', [
    '-D',
    directory,
    ...settings(socketDir, options.extraSettings ?? {}),
  ]);
  const log = await open(logFile, 'a', 0o600);
  try {
    // Its own session: Ctrl-C in the terminal must reach the supervisor only, which stops the parts in order.
    const child = spawn(file, args, { detached: true, stdio: ['ignore', log.fd, log.fd], env: serverEnvironment() });
    child.on('error', () => undefined); // seen below: no pid
    child.unref();
    const identity = child.pid === undefined ? undefined : identifyProcess(child.pid);
    if (!identity)
      throw new StackError(
        'postgres-ended',
        `PostgreSQL ended at once. Its log, ${logFile}, says:\n${await lastLines(logFile)}`,
      );
    return { identity, socketDir };
  } finally {
    await log.close();
  }
}

/** PG* variables of the user's shell would change the server's defaults. */
const serverEnvironment = (): NodeJS.ProcessEnv => ({ PATH: process.env['PATH'], LC_ALL: 'C.UTF-8', TZ: 'UTC' });

/** `initdb` into a folder beside, then rename: a kill in between leaves no half cluster. */
async function initialise(launcher: Launcher, directory: string): Promise<void> {
  if (await exists(join(directory, 'PG_VERSION'))) return;
  const parent = join(directory, '..', 'postgres.new');
  await rm(parent, { recursive: true, force: true });
  await ensurePrivateDirectory(parent);
  await launcher.own(parent);
  const cluster = join(parent, 'cluster');
  const flags = ['-D', cluster, '-U', USER, '-A', 'trust', '-E', 'UTF8', '--locale=C.UTF-8', '--no-instructions'];
  const { file, args } = launcher.command('initdb', flags);
  try {
    await run(file, args, { timeout: LIMITS.initialise, env: serverEnvironment() });
  } catch (error) {
    const said = String((error as { stderr?: string }).stderr ?? '').trim() || (error as Error).message;
    throw new StackError('postgres-initdb', `PostgreSQL could not be initialised: ${said}`, { cause: error });
  }
  await rename(cluster, directory);
  await rm(parent, { recursive: true, force: true });
}

/**
 * After a kill -9: children of the dead postmaster end by themselves and must be gone before another one starts. The
 * lock files name a pid that may be a zombie or any program by now, which the server would take for a living postmaster.
 */
async function clearLeftovers(directory: string, socketDir: string): Promise<void> {
  const end = Date.now() + LIMITS.orphans;
  for (;;) {
    const left = await serverProcesses(directory);
    if (left.length === 0) break;
    if (Date.now() > end)
      throw new StackError(
        'postgres-leftovers',
        `Processes of an earlier PostgreSQL are still running (pid ${left.join(', ')}). End them, then start again.`,
      );
    await delay(100);
  }
  await rm(join(directory, 'postmaster.pid'), { force: true });
  await rm(join(socketDir, SOCKET_LOCK), { force: true });
}

async function untilReady(
  server: ProcessIdentity,
  socketDir: string,
  logFile: string,
  signal?: AbortSignal,
): Promise<void> {
  const end = Date.now() + LIMITS.ready;
  for (;;) {
    const fault = await query(socketDir, USER, 'SELECT 1').then(
      () => undefined,
      (error: Error) => error,
    );
    if (!fault) return;
    if (!isAlive(server))
      throw new StackError(
        'postgres-ended',
        `PostgreSQL ended while starting. Its log, ${logFile}, says:\n${await lastLines(logFile)}`,
      );
    if (Date.now() > end)
      throw new StackError(
        'postgres-not-ready',
        `PostgreSQL (pid ${server.pid}) did not answer within ${LIMITS.ready / 1000} s: ${fault.message}. See ${logFile}.`,
      );
    await delay(LIMITS.poll, signal);
  }
}

async function ensureDatabase(socketDir: string, database: string): Promise<void> {
  const found = await query(socketDir, USER, 'SELECT 1 FROM pg_database WHERE datname = $1', [database]);
  if (found === 0) await query(socketDir, USER, `CREATE DATABASE "${database.replaceAll('"', '""')}"`);
}

/** Runs one statement and returns how many rows it gave. */
async function query(socketDir: string, database: string, sql: string, values: string[] = []): Promise<number> {
  const client = new Client({
    host: socketDir,
    user: USER,
    database,
    connectionTimeoutMillis: 5_000,
    query_timeout: 30_000,
  });
  // A server that goes away between two calls raises this beside the call's own rejection.
  client.on('error', () => undefined);
  try {
    await client.connect();
    return (await client.query(sql, values)).rowCount ?? 0;
  } finally {
    await client.end();
  }
}

/** Fast shutdown (clients are cut, data is checkpointed); immediate when that takes too long: the next start recovers. */
async function stopServer(server: ProcessIdentity): Promise<void> {
  const stages = [
    ['SIGINT', LIMITS.fastStop],
    ['SIGQUIT', LIMITS.immediateStop],
    ['SIGKILL', LIMITS.immediateStop],
  ] as const;
  for (const [signal, patience] of stages) {
    signalProcess(server, signal);
    const end = Date.now() + patience;
    while (isAlive(server) && Date.now() < end) await delay(LIMITS.poll);
    if (!isAlive(server)) return;
  }
  throw new StackError(
    'postgres-not-stopped',
    `PostgreSQL (pid ${server.pid}) does not end, not even killed; its disk may hang.`,
  );
}

const exists = (path: string): Promise<boolean> =>
  stat(path).then(
    () => true,
    () => false,
  );
