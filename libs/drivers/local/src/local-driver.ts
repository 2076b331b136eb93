import { join } from 'node:path';
import { defaultSecretsRoot, type FileOwner, type GatewayDriver } from '#libs/drivers/core';

/** Gateways run as this user in containers when the platform is root; it exists in the image and owns nothing on a usual host. */
const CONTAINER_USER = { uid: 10_001, gid: 10_001 };
export const DOCKER_SOCKET = '/var/run/docker.sock';

export interface LocalDriverOptions {
  readonly driver: 'docker' | 'process';
  /** Names this installation on the engine. */
  readonly instance: string;
  /** Absolute. Holds `gateways/` (state) and `run/` (process records and logs). */
  readonly dataDir: string;
  /** Docker only. */
  readonly dockerSocket?: string | undefined;
  readonly ports: { readonly from: number; readonly to: number };
}

/**
 * The driver of the host this process runs on, with the folders that everybody agrees on: control plane and launcher see
 * the same gateways. Only the chosen driver is loaded; a process host never pays for an engine's client.
 */
export async function createLocalDriver(options: LocalDriverOptions): Promise<GatewayDriver> {
  const places = {
    instance: options.instance,
    stateRoot: join(options.dataDir, 'gateways'),
    secretsRoot: await defaultSecretsRoot(options.instance),
    allowSecretsOnDisk: true,
  };
  if (options.driver === 'process') {
    const { ProcessDriver } = await import('#libs/drivers/process');
    return new ProcessDriver({ ...places, runRoot: join(options.dataDir, 'run'), nodePath: process.execPath });
  }
  const { DockerDriver } = await import('#libs/drivers/docker');
  const engine = { kind: 'unix', socketPath: options.dockerSocket ?? DOCKER_SOCKET } as const;
  return new DockerDriver({ ...places, engine, ports: options.ports, user: containerUser() });
}

/** Who gateways in containers run as, and who owns their folders. */
export function containerUser(): FileOwner {
  const own = { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 };
  return own.uid === 0 ? CONTAINER_USER : own;
}
