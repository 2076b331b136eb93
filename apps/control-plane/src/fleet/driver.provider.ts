import { join } from 'node:path';
import type { Provider } from '@nestjs/common';
import { ControlPlaneConfig } from '#libs/config';
import { defaultSecretsRoot, GatewayDriver } from '#libs/drivers/core';

/** Gateways run as this user in containers; it exists in the image and owns nothing on a usual host. */
const CONTAINER_USER = { uid: 10_001, gid: 10_001 };

/** Only the chosen driver is loaded: a process host never pays for an engine's client. */
async function createDriver(config: ControlPlaneConfig): Promise<GatewayDriver> {
  const places = {
    instance: config.instance,
    stateRoot: join(config.dataDir, 'gateways'),
    secretsRoot: await defaultSecretsRoot(config.instance),
    allowSecretsOnDisk: true,
  };
  if (config.driver === 'process') {
    const { ProcessDriver } = await import('#libs/drivers/process');
    return new ProcessDriver({ ...places, runRoot: join(config.dataDir, 'run'), nodePath: process.execPath });
  }
  const { DockerDriver } = await import('#libs/drivers/docker');
  const user = process.getuid?.() === 0 ? CONTAINER_USER : { uid: process.getuid!(), gid: process.getgid!() };
  return new DockerDriver({ ...places, socketPath: config.dockerSocket, ports: config.gatewayPorts, user });
}

export const gatewayDriverProvider: Provider = {
  provide: GatewayDriver,
  inject: [ControlPlaneConfig],
  useFactory: createDriver,
};
