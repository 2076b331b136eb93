import { rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { defaultSecretsRoot, type GatewayDriver } from '#libs/drivers/core';
import { createLocalDriver } from '#libs/drivers/local';
import { deadline } from '#libs/kernel';
import Docker from 'dockerode';
import { findEngine, type OwnEngine, startEngine, stopEngine } from '../docker/engine.js';
import { installEngine } from '../docker/engine-install.js';
import { ensureGatewayImage } from '../docker/gateway-image.js';
import type { StackConsole } from './console.js';
import { built, type StackPaths } from './paths.js';
import type { GatewayPorts } from './ports.js';
import type { HostRecord } from './run-file.js';
import { StackError } from './stack-error.js';

const STOP = { graceSeconds: 25, perCall: 60_000, all: 120_000 } as const;
const DEVELOPMENT_ONLY =
  'Gateways run as plain processes of this user, without isolation from each other or from the platform: for development only.';

export interface HostQuestion {
  readonly asked: 'docker' | 'process' | undefined;
  readonly env: NodeJS.ProcessEnv;
  readonly instance: string;
  readonly paths: StackPaths;
  readonly console: StackConsole;
}

const ownEngine = (instance: string, paths: StackPaths, onSay: (line: string) => void): OwnEngine => ({
  instance,
  dataDir: paths.engine,
  onSay,
});

/**
 * Where gateways will run: the engine that is there; else, as root on Debian or Ubuntu, one from the distribution's
 * packages; else plain processes. Asking for one kind leaves no other choice.
 */
export async function chooseHost(question: HostQuestion): Promise<HostRecord> {
  if (question.asked === 'process') {
    question.console.note(DEVELOPMENT_ONLY);
    return { driver: 'process' };
  }
  const socketPath = await findEngine(question.env);
  if (socketPath) return { driver: 'docker', socketPath, ownEngine: false, enginePid: null };
  if (question.env['DOCKER_HOST'])
    throw new StackError(
      'engine-unreachable',
      'The engine that DOCKER_HOST names does not answer (only unix:// sockets are used). Start it, unset DOCKER_HOST, or use --driver process.',
    );
  try {
    if (process.getuid?.() !== 0)
      throw new StackError('engine-missing', 'No Docker Engine answers, and starting one needs root.');
    return await bringUpEngine(question.instance, question.paths, question.console.note);
  } catch (error) {
    if (question.asked === 'docker') throw error;
    question.console.warn(`No container engine: ${(error as Error).message}`);
    question.console.note(DEVELOPMENT_ONLY);
    return { driver: 'process' };
  }
}

/** Our own engine, adopted when it runs already. */
export async function bringUpEngine(
  instance: string,
  paths: StackPaths,
  onSay: (line: string) => void,
): Promise<HostRecord & { driver: 'docker' }> {
  await installEngine({ onSay });
  const engine = await startEngine(ownEngine(instance, paths, onSay));
  return { driver: 'docker', socketPath: engine.socketPath, ownEngine: true, enginePid: engine.pid };
}

export const stopOwnEngine = (instance: string, paths: StackPaths, onSay: (line: string) => void): Promise<void> =>
  stopEngine(ownEngine(instance, paths, onSay));

/** Deletes what an instance left in memory: secrets of gateways, and the run directory of its engine. */
export async function removeRunDirectories(instance: string): Promise<void> {
  const secrets = dirname(await defaultSecretsRoot(instance));
  for (const directory of new Set([secrets, `/run/wirebot-${instance}`]))
    await rm(directory, { recursive: true, force: true });
}

/** What a gateway is started from: the image's id, or the bundle for processes. */
export async function gatewayImage(
  host: HostRecord,
  env: NodeJS.ProcessEnv,
  onSay: (line: string) => void,
  skipPull = false,
): Promise<string> {
  if (env['WIREBOT_GATEWAY_IMAGE']) return env['WIREBOT_GATEWAY_IMAGE'];
  if (host.driver === 'process') return built('gateway', 'gateway.mjs');
  return ensureGatewayImage({
    socketPath: host.socketPath,
    bundleDir: built('gateway'),
    skipPull,
    ...(env['NODE_IMAGE'] ? { nodeImage: env['NODE_IMAGE'] } : {}),
    onSay,
  });
}

/** The driver as the control plane builds it. */
export const driverFor = (
  host: HostRecord,
  instance: string,
  paths: StackPaths,
  ports: GatewayPorts,
): Promise<GatewayDriver> =>
  createLocalDriver({
    driver: host.driver,
    instance,
    dataDir: paths.dataDir,
    dockerSocket: host.driver === 'docker' ? host.socketPath : undefined,
    ports,
  });

/** Stops every running gateway of this instance side by side; their state and places stay. Answers how many. */
export async function stopGateways(driver: GatewayDriver): Promise<number> {
  const all = deadline(STOP.all);
  const running = (await driver.list(all)).filter((gateway) => gateway.running);
  const results = await Promise.allSettled(
    running.map(({ id }) => driver.stop(id, STOP.graceSeconds, deadline(STOP.perCall, all))),
  );
  const faults = results.flatMap((result) =>
    result.status === 'rejected' ? [String((result.reason as Error).message)] : [],
  );
  if (faults.length > 0)
    throw new StackError('gateways-not-stopped', `${faults.length} gateway(s) did not stop: ${faults[0]}`);
  return running.length;
}

/** Removes every gateway of this instance with its state, then its network. Answers how many gateways. */
export async function removeGateways(driver: GatewayDriver, host: HostRecord, instance: string): Promise<number> {
  const all = deadline(STOP.all);
  const gateways = await driver.list(all);
  await Promise.all(
    gateways.map(async ({ id }) => {
      await driver.remove(id, deadline(STOP.perCall, all));
      await driver.destroyState(id, deadline(STOP.perCall, all));
    }),
  );
  if (host.driver === 'docker') await removeNetwork(host.socketPath, instance);
  return gateways.length;
}

async function removeNetwork(socketPath: string, instance: string): Promise<void> {
  const docker = new Docker({ socketPath, timeout: STOP.perCall });
  const filters = JSON.stringify({ label: [`wirebot.instance=${instance}`] });
  for (const { Id } of await docker.listNetworks({ filters })) await docker.getNetwork(Id).remove();
}
