import type { GatewayResources } from '#libs/drivers/core';
import type Docker from 'dockerode';
import { limitsOf } from './container-spec.js';
import { isAlive } from './container-state.js';
import { callEngine, ENGINE_LIMITS, statusOfFailure } from './engine-call.js';
import { readUse } from './engine-stats.js';
import { askLibpod } from './libpod.js';

/** Share of a lower memory limit that may be in use for it to be set alive; above it the kernel would end the gateway. */
const FITS = 0.9;
const CPU_PERIOD = 100_000;
/** "The engine cannot do that now", in the words of the different ones. */
const NOT_NOW = new Set([404, 409, 500]);

/**
 * Gives a container other limits. What cannot be had while it runs is left for its next start. False: one that does not run
 * keeps its old limits, and has to be made anew to get others.
 */
export async function changeLimits(
  docker: Docker,
  info: Docker.ContainerInspectInfo,
  wanted: GatewayResources,
  signal: AbortSignal,
): Promise<boolean> {
  const resources = (await wouldOverrun(docker, info, wanted, signal))
    ? { ...wanted, memoryBytes: info.HostConfig.Memory ?? wanted.memoryBytes }
    : wanted;
  if (hasLimits(info, resources)) return true;
  try {
    await update(docker, info.Id, resources, signal);
    return true;
  } catch (error) {
    if (!NOT_NOW.has(statusOfFailure(error) ?? 0)) throw error;
    return isAlive(info);
  }
}

async function wouldOverrun(
  docker: Docker,
  info: Docker.ContainerInspectInfo,
  { memoryBytes }: GatewayResources,
  signal: AbortSignal,
): Promise<boolean> {
  if (!isAlive(info) || memoryBytes >= (info.HostConfig.Memory ?? 0)) return false;
  const use = await readUse(docker.getContainer(info.Id), signal);
  return (use.memoryBytes ?? 0) > memoryBytes * FITS;
}

async function update(docker: Docker, id: string, resources: GatewayResources, signal: AbortSignal): Promise<void> {
  const container = docker.getContainer(id);
  try {
    await callEngine(signal, ENGINE_LIMITS.change, (abortSignal) =>
      container.update({ ...limitsOf(resources), abortSignal }),
    );
  } catch (error) {
    // The container is there, so what was not found is the call: Podman has it in its own interface only.
    if (statusOfFailure(error) !== 404) throw error;
    await callEngine(signal, ENGINE_LIMITS.change, (abortSignal) =>
      askLibpod(docker, {
        method: 'POST',
        path: `/containers/${id}/update`,
        options: libpodLimits(resources),
        abortSignal,
      }),
    );
  }
}

const libpodLimits = ({ cpus, memoryBytes, pids }: GatewayResources): object => ({
  cpu: { quota: Math.round(cpus * CPU_PERIOD), period: CPU_PERIOD },
  memory: { limit: memoryBytes, swap: memoryBytes },
  pids: { limit: pids },
});

const hasLimits = ({ HostConfig }: Docker.ContainerInspectInfo, resources: GatewayResources): boolean =>
  Object.entries(limitsOf(resources)).every(([name, value]) => HostConfig[name as keyof Docker.HostConfig] === value);
