import { Injectable } from '@nestjs/common';
import { ControlPlaneConfig } from '#libs/config';
import type { Prisma, Tx } from '#libs/database';
import { Ids } from '#libs/kernel';

export type HostRow = Prisma.HostGetPayload<object>;
const LOCAL = 'local';

/** Where gateways run; in this first form the one engine beside the control plane. */
@Injectable()
export class HostsService {
  constructor(
    private readonly config: ControlPlaneConfig,
    private readonly ids: Ids,
  ) {}

  /** The local host's row, brought up to date with the configuration. */
  async local(tx: Tx): Promise<HostRow> {
    const { driver, gatewayPorts } = this.config;
    const data = { driver, portFrom: gatewayPorts.from, portTo: gatewayPorts.to };
    const host = await tx.host.findUnique({ where: { name: LOCAL } });
    if (host && host.driver === driver && host.portFrom === data.portFrom && host.portTo === data.portTo) return host;
    return tx.host.upsert({
      where: { name: LOCAL },
      create: { id: this.ids.next('host'), name: LOCAL, ...data },
      update: data,
    });
  }
}
