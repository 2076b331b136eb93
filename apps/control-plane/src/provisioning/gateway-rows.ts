import { Injectable } from '@nestjs/common';
import type { Lease } from '#libs/database';
import type { GatewayAddress } from '#libs/drivers/core';
import { backoff } from '#libs/kernel';
import { RoutePublisher } from '../routing/route-publisher.js';
import { type Outcome, waitFor } from './outcome.js';
import type { Failure } from './provisioning.errors.js';
import { type GatewayChanges, type GatewayRecord, ResourcesRepository } from './resources.repository.js';
import { Waker } from './waker.js';

/** Phases in which a failure is not the end of it: what was begun is finished or taken back, however long it takes. */
const GOES_ON: readonly string[] = ['deleting', 'rehearsing', 'replacing', 'verifying', 'rolling-back'];

/** How a pass over a gateway writes down what it did. */
@Injectable()
export class GatewayRows {
  constructor(
    private readonly resources: ResourcesRepository,
    private readonly routes: RoutePublisher,
    private readonly waker: Waker,
  ) {}

  async save(gateway: GatewayRecord, lease: Lease, changes: GatewayChanges): Promise<void> {
    await this.resources.asGateway(lease, (tx) => this.resources.changeGateway(tx, gateway, changes));
  }

  /** Saves, and wakes the agents that wait for this gateway. */
  async settle(gateway: GatewayRecord, lease: Lease, changes: GatewayChanges): Promise<void> {
    const waiting = await this.resources.asGateway(lease, async (tx) => {
      await this.resources.changeGateway(tx, gateway, changes);
      return this.resources.agentsWaitingFor(tx, gateway.id);
    });
    await Promise.all(waiting.map((id) => this.waker.wake('agent', id)));
  }

  /** It answers with this configuration: ready, and those who wait for it go on. */
  serves(gateway: GatewayRecord, lease: Lease, address: GatewayAddress, observedConfig: bigint): Promise<void> {
    const condition = { type: 'Ready', status: true, reason: 'serving', message: 'The gateway answers.' };
    const data = { address: { ...address }, observedGeneration: gateway.generation, observedConfig };
    const changes = { phase: 'ready' as const, condition, data };
    return gateway.phase === 'ready' ? this.settle(gateway, lease, changes) : this.opened(gateway, lease, changes);
  }

  /** Settles, and in the same transaction routes that said that it sleeps say that it is awake. */
  async opened(gateway: GatewayRecord, lease: Lease, changes: GatewayChanges): Promise<void> {
    const waiting = await this.resources.asGateway(lease, async (tx) => {
      await this.resources.changeGateway(tx, gateway, changes);
      const agents = await this.resources.agentsWaitingFor(tx, gateway.id);
      // Last: all publications are one after the other, and none waits for an agent that another pass holds.
      await this.routes.setAsleep(tx, gateway.id, false);
      return agents;
    });
    await this.routes.announce();
    await Promise.all(waiting.map((id) => this.waker.wake('agent', id)));
  }

  /** Retryable: wait longer each time, say what for. Permanent: failed, and whoever waits for it is told at once. */
  async backOff(gateway: GatewayRecord, lease: Lease, failure: Failure): Promise<Outcome> {
    const condition = { type: 'Ready', status: false, reason: failure.code, message: failure.message };
    const failing = !failure.retryable && !GOES_ON.includes(gateway.phase);
    const changes: GatewayChanges = {
      condition,
      data: { failures: { increment: 1 } },
      ...(failing ? { phase: 'failed' } : {}),
    };
    await this.settle(gateway, lease, changes);
    return waitFor(failing ? backoff(gateway.failures, 30_000, 300_000) : backoff(gateway.failures, 500, 15_000));
  }
}
