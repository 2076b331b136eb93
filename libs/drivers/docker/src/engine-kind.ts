import { DriverError } from '#libs/drivers/core';
import type Docker from 'dockerode';
import { callEngine, ENGINE_LIMITS } from './engine-call.js';

export type EngineKind = 'docker' | 'podman';

/** Who answers. Everybody who speaks Docker's language and does not call itself Podman is taken at its word. */
export async function engineKind(docker: Docker, signal: AbortSignal): Promise<EngineKind> {
  const ask = docker.version.bind(docker) as (options: object) => Promise<Docker.DockerVersion>;
  const { Components } = await callEngine(signal, ENGINE_LIMITS.read, (abortSignal) => ask({ abortSignal }));
  return Components?.some(({ Name }) => /podman/i.test(Name)) ? 'podman' : 'docker';
}

/** A rootless engine has its networks, and often its limits, in a world of its own: no gateway could be reached from here. */
export async function assertRootful(docker: Docker, signal: AbortSignal): Promise<void> {
  const ask = docker.info.bind(docker) as (options: object) => Promise<{ SecurityOptions?: string[] | null }>;
  const { SecurityOptions } = await callEngine(signal, ENGINE_LIMITS.read, (abortSignal) => ask({ abortSignal }));
  if (SecurityOptions?.some((option) => option.includes('rootless'))) {
    const message =
      'The engine is rootless: its networks are not on this machine. Use one that runs as root, or the process driver.';
    throw new DriverError('engine-refused', message, false);
  }
}
