import { Injectable } from '@nestjs/common';
import { ControlPlaneConfig } from '#libs/config';
import type { Prisma, Tx } from '#libs/database';
import { Ids } from '#libs/kernel';

export type HostRow = Prisma.HostGetPayload<object>;
const LOCAL_NAME = 'local';
const LOCAL = {
  where: { connection: { equals: { kind: 'local' } }, state: { not: 'removed' } },
  orderBy: { createdAt: 'asc' },
} as const;

/** The host beside the control plane: the only one that the configuration knows. */
@Injectable()
export class HostsService {
  constructor(
    private readonly config: ControlPlaneConfig,
    private readonly ids: Ids,
  ) {}

  /** Its row, brought up to date with the configuration. It is told by its connection: operators may call it what they like. */
  async local(tx: Tx): Promise<HostRow> {
    const { driver, gatewayPorts } = this.config;
    const data = { driver, portFrom: gatewayPorts.from, portTo: gatewayPorts.to };
    const host = await tx.host.findFirst(LOCAL);
    if (host && host.driver === driver && host.portFrom === data.portFrom && host.portTo === data.portTo) return host;
    if (host) return tx.host.update({ where: { id: host.id }, data });
    // One process makes it: there is nothing yet that two could wait for.
    await tx.$executeRaw`SELECT pg_advisory_xact_lock(hashtextextended('hosts:local', 0))`;
    const made = await tx.host.findFirst(LOCAL);
    return made ?? tx.host.create({ data: { id: this.ids.next('host'), name: await freeName(tx), ...data } });
  }
}

async function freeName(tx: Tx): Promise<string> {
  const taken = await tx.host.count({ where: { name: LOCAL_NAME } });
  return taken === 0 ? LOCAL_NAME : `${LOCAL_NAME}-1`;
}
