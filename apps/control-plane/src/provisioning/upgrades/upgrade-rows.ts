import { Injectable } from '@nestjs/common';
import { type Lease, Prisma, type Tx } from '#libs/database';
import type { GatewayAddress } from '#libs/drivers/core';
import { Clock } from '#libs/kernel';
import { Outbox } from '../../outbox/outbox.js';
import { RoutePublisher } from '../../routing/route-publisher.js';
import { conditionsOf, withCondition } from '../conditions.js';
import type { GatewayPhase } from '../phases.js';
import { type GatewayChanges, type GatewayRecord, ResourcesRepository } from '../resources.repository.js';
import { Waker } from '../waker.js';
import type { Fault } from './upgrade-checks.js';
import { UpgradeMetrics, type UpgradeResult } from './upgrade-metrics.js';
import { asJson, recordOf, shortImage, type UpgradeRecord } from './upgrade-record.js';

/** The copy of the state before an upgrade can be put back by a person for this long. */
const KEPT_MS = 24 * 3_600_000;

/** How an upgrade writes down how far it is. Whatever belongs together becomes true in one transaction. */
@Injectable()
export class UpgradeRows {
  constructor(
    private readonly resources: ResourcesRepository,
    private readonly routes: RoutePublisher,
    private readonly outbox: Outbox,
    private readonly waker: Waker,
    private readonly metrics: UpgradeMetrics,
    private readonly clock: Clock,
  ) {}

  async save(gateway: GatewayRecord, lease: Lease, changes: GatewayChanges): Promise<void> {
    await this.resources.asGateway(lease, (tx) => this.resources.changeGateway(tx, gateway, changes));
  }

  /** The gateway goes on serving while it is rehearsed; agents that wait for this configuration go on. */
  async configured(gateway: GatewayRecord, lease: Lease, observedConfig: bigint): Promise<void> {
    const waiting = await this.resources.asGateway(lease, async (tx) => {
      await this.resources.changeGateway(tx, gateway, { data: { observedConfig } });
      return this.resources.agentsWaitingFor(tx, gateway.id);
    });
    await Promise.all(waiting.map((id) => this.waker.wake('agent', id)));
  }

  /** From here on nobody reaches its agents, until `opened` or `restored`. */
  async hold(gateway: GatewayRecord, lease: Lease, record: UpgradeRecord): Promise<void> {
    await this.resources.asGateway(lease, async (tx) => {
      await this.routes.hold(tx, gateway.id);
      await this.resources.changeGateway(tx, gateway, { phase: 'replacing', data: { rollback: asJson(record) } });
    });
    await this.routes.announce();
  }

  /** The row says another image from here on. */
  async switched(gateway: GatewayRecord, lease: Lease, record: UpgradeRecord, image: string): Promise<void> {
    const data = { image, generation: { increment: 1n }, rollback: asJson(record) };
    await this.save(gateway, lease, { data });
  }

  /** The new image is not to be kept. */
  async undo(gateway: GatewayRecord, lease: Lease, fault: Fault): Promise<void> {
    const record = recordOf(gateway);
    const rollback = record && record.state !== 'kept' ? asJson({ ...record, state: 'undoing', fault }) : undefined;
    const condition = notUpgraded(gateway, fault);
    await this.save(gateway, lease, { phase: 'rolling-back', condition, data: rollback ? { rollback } : {} });
  }

  /** It serves with the new image: everybody may come back. */
  async opened(gateway: GatewayRecord, lease: Lease, address: GatewayAddress, observedConfig: bigint): Promise<void> {
    const { state: _state, watched: _watched, ...record } = recordOf(gateway)!;
    const keptUntil = new Date(this.clock.now().getTime() + KEPT_MS).toISOString();
    const rollback = asJson({ ...record, state: 'kept', keptUntil });
    await this.#ends(gateway, lease, {
      phase: 'ready',
      result: 'succeeded',
      serving: { address, observedConfig },
      rollback,
    });
  }

  /** It serves with the image and the state of before. */
  async restored(gateway: GatewayRecord, lease: Lease, address: GatewayAddress, observedConfig: bigint): Promise<void> {
    await this.#ends(gateway, lease, {
      phase: 'ready',
      result: 'rolled-back',
      fault: recordOf(gateway)!.fault ?? TOOK_TOO_LONG,
      serving: { address, observedConfig },
      rollback: Prisma.DbNull,
    });
  }

  /** Nothing of it was changed. `phase`: where it goes on; it was not disturbed when that is `ready`. */
  async givenUp(gateway: GatewayRecord, lease: Lease, phase: GatewayPhase | undefined, fault: Fault): Promise<void> {
    await this.#ends(gateway, lease, { phase, result: 'failed', fault });
  }

  /** There was nothing to be done, or it sleeps and shows at its next wake how it does. */
  async settled(gateway: GatewayRecord, lease: Lease, data: GatewayChanges['data'] = {}): Promise<void> {
    await this.resources.asGateway(lease, async (tx) => {
      await this.resources.changeGateway(tx, gateway, { data: { ...data, targetImage: null } });
      await this.#conclude(tx, gateway, 'succeeded', null);
    });
  }

  async #ends(gateway: GatewayRecord, lease: Lease, end: End): Promise<void> {
    const waiting = await this.resources.asGateway(lease, async (tx) => {
      await this.#write(tx, gateway, end);
      await this.#conclude(tx, gateway, end.result, end.fault ?? null);
      const agents = await this.resources.agentsWaitingFor(tx, gateway.id);
      if (end.serving) await this.routes.release(tx, gateway.id, end.serving.address);
      return agents;
    });
    this.metrics.ended(end.result, this.#heldMs(gateway));
    await this.routes.announce();
    await Promise.all(waiting.map((id) => this.waker.wake('agent', id)));
  }

  async #write(tx: Tx, gateway: GatewayRecord, { phase, result, fault, serving, rollback }: End): Promise<void> {
    const now = this.clock.now();
    const held = this.#heldMs(gateway);
    const pause = held === undefined ? '' : ` Its agents were held for ${held} ms.`;
    const upgraded = fault
      ? notUpgraded(gateway, fault, result === 'rolled-back' ? `Image and data are those of before.${pause}` : '')
      : {
          type: 'Upgraded',
          status: true,
          reason: 'upgraded',
          message: `It runs ${shortImage(gateway.image)}.${pause}`,
        };
    const { type, status, reason, message } = upgraded;
    const conditions = withCondition(conditionsOf(gateway.conditions), type, status, reason, message, now);
    const condition = { type: 'Ready', status: true, reason: 'serving', message: 'The gateway answers.' };
    await this.resources.changeGateway(
      tx,
      { ...gateway, conditions: conditions as unknown as Prisma.JsonValue },
      {
        ...(phase ? { phase } : {}),
        condition: phase === 'ready' ? condition : upgraded,
        data: {
          targetImage: null,
          failures: 0,
          ...(rollback ? { rollback } : {}),
          ...(serving && {
            address: { ...serving.address },
            observedGeneration: gateway.generation,
            observedConfig: serving.observedConfig,
          }),
        },
      },
    );
  }

  /** What became of it, for its rollout and for whoever listens. */
  async #conclude(tx: Tx, gateway: GatewayRecord, result: UpgradeResult, fault: Fault | null): Promise<void> {
    const { rolloutId, tenantId, id } = gateway;
    if (rolloutId) {
      await tx.$executeRaw`
        UPDATE rollout_targets SET finished_at = now(), reason = ${fault ? `${fault.code}: ${fault.message}` : null},
          status = CASE WHEN status = 'reverting' AND ${result} = 'succeeded' THEN 'reverted' ELSE ${result} END
        WHERE rollout_id = ${rolloutId} AND gateway_id = ${id}
          AND (status IN ('running', 'reverting') OR (status = 'succeeded' AND ${result} <> 'succeeded'))`;
    }
    if (!tenantId) return;
    const data = {
      result,
      rolloutId,
      image: gateway.image,
      reason: fault?.code ?? null,
      heldMs: this.#heldMs(gateway) ?? null,
    };
    await this.outbox.append(tx, { tenantId, topic: 'gateways', aggregateId: id, type: 'upgrade', data });
  }

  #heldMs(gateway: GatewayRecord): number | undefined {
    const { state, heldAt } = recordOf(gateway) ?? {};
    return !heldAt || state === 'kept' ? undefined : this.clock.now().getTime() - Date.parse(heldAt);
  }
}

interface End {
  readonly phase: GatewayPhase | undefined;
  readonly result: UpgradeResult;
  readonly fault?: Fault;
  readonly serving?: { readonly address: GatewayAddress; readonly observedConfig: bigint };
  readonly rollback?: Prisma.InputJsonObject | typeof Prisma.DbNull;
}

export const TOOK_TOO_LONG: Fault = {
  code: 'upgrade-timeout',
  message: 'A step of the upgrade took longer than it may.',
};

function notUpgraded(gateway: GatewayRecord, fault: Fault, more = '') {
  const image = recordOf(gateway)?.to ?? gateway.targetImage ?? gateway.image;
  const message = `The upgrade to ${shortImage(image)} was given up. ${fault.message}${more && ` ${more}`}`;
  return { type: 'Upgraded', status: false, reason: fault.code, message };
}
