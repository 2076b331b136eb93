import type { Provider } from '@nestjs/common';
import { ControlPlaneConfig } from '#libs/config';
import { GatewayDriver } from '#libs/drivers/core';
import { createLocalDriver } from '#libs/drivers/local';

export const gatewayDriverProvider: Provider = {
  provide: GatewayDriver,
  inject: [ControlPlaneConfig],
  useFactory: (config: ControlPlaneConfig): Promise<GatewayDriver> =>
    createLocalDriver({
      driver: config.driver,
      instance: config.instance,
      dataDir: config.dataDir,
      dockerSocket: config.dockerSocket,
      ports: config.gatewayPorts,
    }),
};
