import { Injectable } from '@nestjs/common';
import { ControlPlaneConfig } from '#libs/config';
import type { GatewayDriver, HostConnection, HostCredentials } from '#libs/drivers/core';
import { createHostDriver, createLocalDriver } from '#libs/drivers/local';

export interface HostTarget {
  readonly hostId: string;
  readonly driver: string;
  readonly connection: HostConnection;
  readonly credentials: HostCredentials;
  readonly ports: { readonly from: number; readonly to: number };
}

/** Makes the driver of any host but the configured one. */
@Injectable()
export class HostConnector {
  constructor(private readonly config: ControlPlaneConfig) {}

  async connect({ hostId, driver, connection, credentials, ports }: HostTarget): Promise<GatewayDriver> {
    const { instance, dataDir, dockerSocket } = this.config;
    const kind = driver === 'docker' ? 'docker' : 'process';
    if (connection.kind === 'local')
      return createLocalDriver({ driver: kind, instance, dockerSocket, ports, dataDir: connection.dataDir ?? dataDir });
    return createHostDriver({ connection, credentials, driver: kind, instance, dataDir, hostId, ports });
  }
}
