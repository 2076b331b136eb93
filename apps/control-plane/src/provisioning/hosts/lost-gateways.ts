import { Injectable } from '@nestjs/common';
import { type Lease, Prisma, type Tx } from '#libs/database';
import { RoutePublisher } from '../../routing/route-publisher.js';
import { GatewayHost } from '../gateway-host.js';
import { type Outcome, again, settled } from '../outcome.js';
import { PlacementService } from '../placement.service.js';
import { type GatewayRecord, ResourcesRepository } from '../resources.repository.js';
import { StepObserver } from '../steps.js';
import { Waker } from '../waker.js';

/**
 * Gateways of a host that was declared lost. They are written off: no route leads to them, their agents begin elsewhere.
 * When the host comes back, what still runs there is ended before the host gets anything new, so that no agent answers twice.
 */
@Injectable()
export class LostGateways {
  constructor(
    private readonly resources: ResourcesRepository,
    private readonly placement: PlacementService,
    private readonly routes: RoutePublisher,
    private readonly host: GatewayHost,
    private readonly waker: Waker,
    private readonly steps: StepObserver,
  ) {}

  /** Its port stays taken only as long as an agent's one copy is there. */
  async giveUp(gateway: GatewayRecord, lease: Lease): Promise<Outcome> {
    if (gateway.phase === 'deleted') return settled;
    const left = gateway.phase === 'lost' && (gateway.port === null || (await this.#residents(gateway.id)) > 0);
    if (left) return settled;
    const agents = await this.resources.asGateway(lease, async (tx) => {
      const { name } = gateway.host;
      const message = `Its host ${name} was declared lost. Its agents are restored on other hosts from their last backups.`;
      const condition = { type: 'Ready', status: false, reason: 'host-lost', message };
      const port = (await this.#residents(gateway.id, tx)) > 0 ? {} : { port: null };
      await this.resources.changeGateway(tx, gateway, {
        phase: 'lost',
        condition,
        data: { ...port, targetImage: null, rolloutId: null },
      });
      const due = await agentsOf(tx, gateway.id);
      await this.routes.hold(tx, gateway.id);
      return due;
    });
    await this.routes.announce();
    await Promise.all(agents.map((id) => this.waker.wake('agent', id)));
    return settled;
  }

  /** Of a gateway whose host is not lost: undefined unless it was. */
  async comeBack(gateway: GatewayRecord, lease: Lease, signal: AbortSignal): Promise<Outcome | undefined> {
    if (gateway.phase !== 'lost' || gateway.desiredState === 'deleted') return undefined;
    return (await this.#residents(gateway.id)) > 0 ? this.#takeUp(gateway, lease) : this.#fence(gateway, lease, signal);
  }

  /**
   * Every agent of it is elsewhere: its process goes. Its folder stays for the inventory's time of grace, because it may
   * hold what was said after the last backup.
   */
  async #fence(gateway: GatewayRecord, lease: Lease, signal: AbortSignal): Promise<Outcome> {
    await this.host.remove(gateway, signal);
    this.steps.reached('gateway', gateway.phase, 'removed');
    await this.resources.asGateway(lease, (tx) =>
      this.resources.changeGateway(tx, gateway, {
        phase: 'deleted',
        data: { port: null, address: Prisma.DbNull, failures: 0 },
      }),
    );
    return settled;
  }

  /** It holds the only copy of an agent: it serves again. A cell that others have left is emptied, with their old copies. */
  async #takeUp(gateway: GatewayRecord, lease: Lease): Promise<Outcome> {
    const agents = await this.resources.asGateway(lease, async (tx) => {
      const port = gateway.port ?? (await this.placement.anotherPort(tx, gateway.hostId, 0));
      const moved = gateway.port === null ? { generation: { increment: 1n } } : {};
      await this.resources.bumpConfig(tx, gateway.id);
      await this.resources.changeGateway(tx, gateway, { phase: 'creating', data: { port, ...moved } });
      if (gateway.kind === 'shared') await leave(tx, gateway.id);
      return agentsOf(tx, gateway.id);
    });
    await Promise.all(agents.map((id) => this.waker.wake('agent', id)));
    return again;
  }

  #residents(gatewayId: string, tx?: Tx): Promise<number> {
    const where = { gatewayId, phase: { not: 'deleted' } };
    return tx ? tx.agent.count({ where }) : this.resources.residents(gatewayId);
  }
}

const leave = (tx: Tx, gatewayId: string) =>
  tx.agent.updateMany({ where: { gatewayId, desiredState: { not: 'erased' } }, data: { leaveGatewayId: gatewayId } });

/** Whoever has to do with it becomes due. */
async function agentsOf(tx: Tx, gatewayId: string): Promise<string[]> {
  const rows = await tx.$queryRaw<{ id: string }[]>`
    UPDATE agents SET due_at = now()
    WHERE phase <> 'deleted' AND (gateway_id = ${gatewayId} OR target_gateway_id = ${gatewayId} OR previous_gateway_id = ${gatewayId})
    RETURNING id`;
  return rows.map((row) => row.id);
}
