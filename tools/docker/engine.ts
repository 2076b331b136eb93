import { spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { mkdir, readFile, rm } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { identifyProcess, isAlive, signalProcess, type ProcessIdentity } from '#libs/drivers/core';
import { delay } from '#libs/kernel';
import Docker from 'dockerode';
import { engineAnswers } from './engine-ping.js';
import { unmountBelow } from './engine-mounts.js';
import type { Say } from './say.js';

export interface OwnEngine {
  /** Names the engine's folder under /run; the same value as WIREBOT_INSTANCE. */
  readonly instance: string;
  /** Where images and containers are kept, on a real file system (see docs/drivers.md). */
  readonly dataDir: string;
  readonly onSay: Say;
  /** For sockets and pid files; unix socket paths end at about 100 characters. */
  readonly runDir?: string;
  /** Further flags of dockerd: other listeners, say. */
  readonly flags?: readonly string[];
}

export interface RunningEngine {
  readonly socketPath: string;
  readonly pid: number;
}

/** Milliseconds. A cold start takes under a second, the first one on a slow disk several. */
const START_TIMEOUT = 60_000;
const STOP_TIMEOUT = 30_000;
const LONGEST_SOCKET_PATH = 100;

/**
 * Path of the socket of an engine that answers: the one DOCKER_HOST names, else Docker's usual places. Podman is used only
 * when it is named: with it the driver changes the host's bridge rules and routes, which somebody should have decided.
 */
export async function findEngine(env: NodeJS.ProcessEnv): Promise<string | undefined> {
  const named = env['DOCKER_HOST'];
  if (named) {
    // A named engine is the user's choice: never fall back to another one behind their back.
    const path = named.startsWith('unix://') ? named.slice('unix://'.length) : undefined;
    return path && (await engineAnswers(path)) ? path : undefined;
  }
  const home = env['HOME'] ?? homedir();
  const runtime = env['XDG_RUNTIME_DIR'];
  const candidates = [
    '/var/run/docker.sock',
    join(home, '.docker/run/docker.sock'),
    ...(runtime ? [join(runtime, 'docker.sock')] : []),
  ];
  for (const path of candidates) if (await engineAnswers(path)) return path;
  return undefined;
}

const paths = (engine: Pick<OwnEngine, 'instance' | 'runDir'>) => {
  const runDir = engine.runDir ?? `/run/wirebot-${engine.instance}`;
  return {
    runDir,
    socket: join(runDir, 'docker.sock'),
    pidFile: join(runDir, 'docker.pid'),
    exec: join(runDir, 'exec'),
  };
};

/**
 * Starts an engine of our own beside whatever else the machine runs, or adopts it when it already runs. It is a child
 * of nobody: it and its containers survive the end (also a kill -9) of the caller. Needs root and an installed dockerd.
 */
export async function startEngine(engine: OwnEngine): Promise<RunningEngine> {
  const at = paths(engine);
  if (at.socket.length > LONGEST_SOCKET_PATH)
    throw new Error(`The socket path ${at.socket} is too long; choose a shorter run directory.`);
  const running = await ownProcess(engine);
  if (running) {
    await untilAnswering(running, at.socket, join(engine.dataDir, 'dockerd.log'));
    return { socketPath: at.socket, pid: running.pid };
  }
  await removeLeftovers(at);
  await mkdir(at.runDir, { recursive: true, mode: 0o711 });
  await mkdir(engine.dataDir, { recursive: true, mode: 0o711 });
  engine.onSay(`starting a Docker engine of our own (socket ${at.socket}, data in ${engine.dataDir})`);
  const logFile = join(engine.dataDir, 'dockerd.log');
  const started = launch(engine, at, logFile);
  await untilAnswering(started, at.socket, logFile);
  return { socketPath: at.socket, pid: started.pid };
}

/** Stops our engine and every container on it. Does nothing when it does not run. */
export async function stopEngine(engine: OwnEngine): Promise<void> {
  const at = paths(engine);
  const running = await ownProcess(engine);
  if (running) {
    await stopContainers(at.socket, engine.onSay);
    signalProcess(running, 'SIGTERM');
    const end = Date.now() + STOP_TIMEOUT;
    while (isAlive(running) && Date.now() < end) await delay(50);
    if (signalProcess(running, 'SIGKILL')) engine.onSay('the Docker engine did not end in time and was killed');
  }
  await removeLeftovers(at);
  await unmountBelow([engine.dataDir, at.runDir], engine.onSay);
}

/**
 * What a kill -9 or a power cut leaves. dockerd refuses to start while the number in its pid file belongs to any process,
 * and waits in vain for its containerd when that number belongs to a stranger or to a zombie that nobody has reaped.
 */
async function removeLeftovers(at: ReturnType<typeof paths>): Promise<void> {
  await rm(at.pidFile, { force: true });
  await rm(at.socket, { force: true });
  const containerd = join(at.exec, 'containerd');
  const alive = await processOf(join(containerd, 'containerd.pid'), join(containerd, 'containerd.toml'));
  if (!alive) await rm(join(containerd, 'containerd.pid'), { force: true });
}

function launch(engine: OwnEngine, at: ReturnType<typeof paths>, logFile: string): ProcessIdentity {
  const log = openSync(logFile, 'w', 0o600);
  const flags = [
    `--data-root=${engine.dataDir}`,
    `--exec-root=${at.exec}`,
    `--pidfile=${at.pidFile}`,
    `--host=unix://${at.socket}`,
    // No docker0, no forwarding, no masquerading: gateways live on an internal bridge and have no road out.
    '--bridge=none',
    '--ip-forward=false',
    '--ip-masq=false',
    '--userland-proxy=false',
    // Gateways keep running while the engine is restarted or has crashed.
    '--live-restore',
    ...(engine.flags ?? []),
  ];
  const child = spawn('dockerd', flags, {
    detached: true,
    stdio: ['ignore', log, log],
    env: engineEnvironment(process.env),
  });
  closeSync(log);
  child.on('error', (error) => engine.onSay(`dockerd could not be started: ${error.message}`));
  child.unref();
  const identity = child.pid === undefined ? undefined : identifyProcess(child.pid);
  if (!identity) throw new Error(`dockerd ended at once; its log is ${logFile}`);
  return identity;
}

/** The engine needs a path and the way to a registry, and nothing else of ours. */
function engineEnvironment(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const wanted = ['PATH', 'HOME', 'HTTP_PROXY', 'HTTPS_PROXY', 'NO_PROXY', 'http_proxy', 'https_proxy', 'no_proxy'];
  const kept = Object.fromEntries(wanted.flatMap((name) => (env[name] === undefined ? [] : [[name, env[name]]])));
  // iptables and containerd live in sbin, which a plain user's PATH lacks.
  return { ...kept, PATH: `${env['PATH'] ?? '/usr/bin:/bin'}:/usr/local/sbin:/usr/sbin:/sbin` };
}

/** Our running engine: the pid file's process, if its command line says that it serves our data directory. */
const ownProcess = (engine: OwnEngine): Promise<ProcessIdentity | undefined> =>
  processOf(paths(engine).pidFile, `--data-root=${engine.dataDir}`);

/** The living process that a pid file names, if that argument shows that it is the one meant. */
async function processOf(pidFile: string, argument: string): Promise<ProcessIdentity | undefined> {
  const text = await readOptional(pidFile);
  const identity = text === undefined ? undefined : identifyProcess(Number(text.trim()));
  if (!identity) return undefined;
  const commandLine = (await readOptional(`/proc/${identity.pid}/cmdline`)) ?? '';
  return commandLine.split('\0').includes(argument) && isAlive(identity) ? identity : undefined;
}

async function untilAnswering(engine: ProcessIdentity, socketPath: string, logFile: string): Promise<void> {
  const end = Date.now() + START_TIMEOUT;
  while (!(await engineAnswers(socketPath))) {
    if (!isAlive(engine)) throw new Error(`The Docker engine ended while starting:\n${await lastLines(logFile)}`);
    if (Date.now() > end)
      throw new Error(
        `The Docker engine did not answer within ${START_TIMEOUT / 1000} s:\n${await lastLines(logFile)}`,
      );
    await delay(50);
  }
}

/** With live-restore the engine leaves its containers running; ending it for good means ending them first. */
async function stopContainers(socketPath: string, onSay: Say): Promise<void> {
  if (!(await engineAnswers(socketPath))) return;
  const docker = new Docker({ socketPath, timeout: STOP_TIMEOUT });
  const running = await docker.listContainers();
  if (running.length > 0) onSay(`stopping ${running.length} container(s)`);
  const results = await Promise.allSettled(running.map(({ Id }) => docker.getContainer(Id).stop({ t: 10 })));
  for (const result of results)
    if (result.status === 'rejected') onSay(`a container did not stop: ${String(result.reason)}`);
}

const lastLines = async (file: string): Promise<string> =>
  ((await readOptional(file)) ?? '').trimEnd().split('\n').slice(-5).join('\n');

async function readOptional(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === 'ENOENT' || code === 'ESRCH') return undefined;
    throw error;
  }
}
