import { type ChildProcess, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { closeSync, openSync } from 'node:fs';
import { access, constants } from 'node:fs/promises';
import { createServer } from 'node:net';
import { resolve } from 'node:path';
import { DriverError, type GatewaySpec, identifyProcess, type ProcessIdentity } from '#libs/drivers/core';

export const LOOPBACK = '127.0.0.1';

export interface LaunchPlace {
  readonly nodePath: string;
  /** Shown by ps. */
  readonly title: string;
  readonly stateDirectory: string;
  readonly secretsDirectory: string;
  readonly logFile: string;
}

/** Share of a gateway's memory that V8's heap may take; a process has no hard limit, only this one. */
const HEAP_SHARE = 0.75;
/** What a gateway gets from our own environment. Everything else in there may be a secret. */
const INHERITED = ['PATH', 'TZ', 'LANG'];

/** Equal for processes that need no replacement. Another heap limit comes with the next start. */
export function specHash(spec: GatewaySpec, place: LaunchPlace): string {
  const { id, kind, runtime, generation, image, port, controlPort } = spec;
  const environment = Object.entries(spec.environment).sort(([a], [b]) => (a < b ? -1 : 1));
  const { stateDirectory, secretsDirectory, nodePath } = place;
  const parts = [
    id,
    kind,
    runtime,
    generation,
    image,
    port,
    controlPort,
    environment,
    stateDirectory,
    secretsDirectory,
    nodePath,
  ];
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex').slice(0, 32);
}

/** Fails with what to do when the process could not run anyway. */
export async function assertStartable(spec: GatewaySpec): Promise<void> {
  await assertBundle(spec.image);
  for (const port of [spec.port, spec.controlPort]) await assertFree(port);
}

export async function assertBundle(path: string): Promise<void> {
  try {
    await access(path, constants.R_OK);
  } catch (cause) {
    throw new DriverError(
      'image-missing',
      'The gateway bundle is not built: run npm run build and start again.',
      false,
      { cause },
    );
  }
}

/** Starts it as the leader of a group and session of its own: it survives the end of this process, also a kill -9. */
export function launch(spec: GatewaySpec, place: LaunchPlace): { child: ChildProcess; identity: ProcessIdentity } {
  const log = openSync(place.logFile, 'a', 0o600);
  const heap = Math.max(32, Math.floor((spec.resources.memoryBytes / 1024 ** 2) * HEAP_SHARE));
  const flags = [`--title=${place.title}`, '--max-semi-space-size=1', `--max-old-space-size=${heap}`];
  const child = spawn(place.nodePath, [...flags, resolve(spec.image)], {
    cwd: place.stateDirectory,
    detached: true,
    stdio: ['ignore', log, log],
    env: environmentOf(spec, place, process.env),
  });
  closeSync(log);
  // A failure to start is told twice: without a pid here and by this event, which nobody else may leave unhandled.
  child.on('error', () => undefined);
  child.unref();
  const identity = child.pid === undefined ? undefined : identifyProcess(child.pid);
  if (!identity)
    throw new DriverError(
      'engine-refused',
      `${place.nodePath} cannot be started; check that it exists and may be executed.`,
      false,
    );
  return { child, identity };
}

export function environmentOf(spec: GatewaySpec, place: LaunchPlace, own: NodeJS.ProcessEnv): Record<string, string> {
  const inherited = Object.fromEntries(
    INHERITED.flatMap((name) => (own[name] === undefined ? [] : [[name, own[name]]])),
  );
  return {
    ...inherited,
    NODE_ENV: 'production',
    MALLOC_ARENA_MAX: '1',
    ...spec.environment,
    WIREBOT_GATEWAY_ID: spec.id,
    WIREBOT_STATE_DIR: place.stateDirectory,
    WIREBOT_SECRETS_DIR: place.secretsDirectory,
    WIREBOT_LISTEN_HOST: LOOPBACK,
    WIREBOT_PORT: String(spec.port),
    WIREBOT_CONTROL_PORT: String(spec.controlPort),
  };
}

function assertFree(port: number): Promise<void> {
  return new Promise((done, reject) => {
    const server = createServer();
    server.once('error', (cause: NodeJS.ErrnoException) => {
      const taken = cause.code === 'EADDRINUSE';
      const message = taken
        ? `Port ${port} on ${LOOPBACK} is taken by another program.`
        : `Port ${port} cannot be used (${cause.code}).`;
      reject(new DriverError(taken ? 'port-in-use' : 'engine-refused', message, false, { cause }));
    });
    server.listen(port, LOOPBACK, () => server.close(() => done()));
  });
}
