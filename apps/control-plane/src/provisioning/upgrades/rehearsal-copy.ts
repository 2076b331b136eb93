import { Injectable } from '@nestjs/common';
import type { Lease, Tx } from '#libs/database';
import { DriverError, type GatewayAddress, type GatewayState } from '#libs/drivers/core';
import { Clock } from '#libs/kernel';
import type { GatewayEndpoint } from '#libs/runtimes/core';
import { GatewayCredentials } from '../../secrets/gateway-credentials.js';
import { GatewayHost } from '../gateway-host.js';
import { type Outcome, again, waitFor } from '../outcome.js';
import { PlacementService } from '../placement.service.js';
import { type GatewayRecord, ResourcesRepository } from '../resources.repository.js';

/** Rows of this pool are throw-away copies for rehearsals: nobody's, with a port of their own, never claimed. */
export const REHEARSAL = 'rehearsal';

/** A copy is looked at this often, in case its gateway has left it behind. */
const LOOK_MS = 30_000;
const SUFFIX = '-r';

export const copyIdOf = (gatewayId: string): string => `${gatewayId}${SUFFIX}`;
const gatewayIdOf = (copyId: string): string => copyId.slice(0, -SUFFIX.length);

/**
 * The throw-away gateway of a rehearsal. Its row is there before anything of it is on the host, and goes after the last of
 * it has gone: whatever dies in between, the inventory knows it and its own row brings it to its end.
 */
@Injectable()
export class RehearsalCopy {
  constructor(
    private readonly resources: ResourcesRepository,
    private readonly host: GatewayHost,
    private readonly placement: PlacementService,
    private readonly credentials: GatewayCredentials,
    private readonly clock: Clock,
  ) {}

  /** In the transaction that begins the rehearsal. False while the last one's copy is still being removed. Throws PortRangeFull. */
  async reserve(tx: Tx, gateway: GatewayRecord, image: string): Promise<boolean> {
    const id = copyIdOf(gateway.id);
    const before = await tx.gateway.findUnique({ where: { id }, select: { phase: true } });
    if (before && before.phase !== 'deleted') return false;
    const now = this.clock.now();
    const { hostId, kind, runtime } = gateway;
    const port = await this.placement.anotherPort(tx, hostId, 0);
    const dueAt = new Date(now.getTime() + LOOK_MS);
    const data = { hostId, kind, runtime, image, port, resources: gateway.resources as object, dueAt };
    const life = { pool: REHEARSAL, phase: 'warm', phaseSince: now, desiredState: 'running', failures: 0 };
    await tx.gateway.upsert({
      where: { id },
      create: { id, tenantId: null, ...data, ...life },
      update: { ...data, ...life, generation: { increment: 1n } },
    });
    return true;
  }

  async find(gateway: GatewayRecord): Promise<GatewayRecord | undefined> {
    const copy = await this.resources.findGateway(copyIdOf(gateway.id));
    return copy?.phase === 'deleted' ? undefined : copy;
  }

  inspect(copy: GatewayRecord, signal: AbortSignal): Promise<GatewayState> {
    return this.host.inspect(copy, signal);
  }

  endpoint(copy: GatewayRecord, address: GatewayAddress): GatewayEndpoint {
    return this.host.endpoint(copy.id, address);
  }

  /** It knows how to prove who asks, and nothing else: no credential of an agent is in its reach. */
  async start(copy: GatewayRecord, lease: Lease, signal: AbortSignal): Promise<void> {
    try {
      await this.host.start(copy, signal, { control: this.credentials.control(copy.id) });
    } catch (error) {
      if (!(error instanceof DriverError && error.code === 'port-in-use')) throw error;
      await this.#movePort(copy, lease);
    }
  }

  /** It ended once: that may have been the engine. Counted, so that it is not tried for ever. */
  async countEnd(copy: GatewayRecord, lease: Lease): Promise<void> {
    await this.resources.asGateway(lease, (tx) =>
      tx.gateway.update({
        where: { id: copy.id },
        data: { failures: { increment: 1 }, generation: { increment: 1n } },
        select: { id: true },
      }),
    );
  }

  /** Process, data and place, whatever there is of them. True when there was something. */
  async discard(gateway: GatewayRecord, lease: Lease, signal: AbortSignal): Promise<boolean> {
    const copy = await this.find(gateway);
    if (!copy) return false;
    await this.host.remove(copy, signal);
    await this.host.destroy(copy, signal);
    await this.resources.asGateway(lease, (tx) => tx.gateway.deleteMany({ where: { id: copy.id, pool: REHEARSAL } }));
    return true;
  }

  /** Of a copy's own row: its gateway still rehearses, or it is to go. */
  async tidy(copy: GatewayRecord, lease: Lease): Promise<Outcome> {
    const needed = await this.resources.asGateway(lease, async (tx) => {
      // Held until the commit, so that no rehearsal begins while its copy is told to go.
      const rows = await tx.$queryRaw<{ phase: string }[]>`
        SELECT phase FROM gateways WHERE id = ${gatewayIdOf(copy.id)} FOR SHARE`;
      if (rows[0]?.phase === 'rehearsing') return true;
      await this.resources.changeGateway(tx, copy, { data: { desiredState: 'deleted' } });
      return false;
    });
    return needed ? waitFor(LOOK_MS) : again;
  }

  async #movePort(copy: GatewayRecord, lease: Lease): Promise<void> {
    await this.resources.asGateway(lease, async (tx) => {
      const port = await this.placement.anotherPort(tx, copy.hostId, copy.port ?? 0);
      await tx.gateway.update({ where: { id: copy.id }, data: { port }, select: { id: true } });
    });
  }
}
