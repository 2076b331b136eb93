import { Injectable } from '@nestjs/common';
import type { Lease } from '#libs/database';
import { GatewayRows } from '../gateway-rows.js';
import { RoutePublisher } from '../../routing/route-publisher.js';
import {
  type ConditionChange,
  type GatewayChanges,
  type GatewayRecord,
  ResourcesRepository,
} from '../resources.repository.js';
import { type SleepFacts } from './sleep-policy.js';
import { SleepRepository } from './sleep.repository.js';

const ASLEEP: ConditionChange = {
  type: 'Ready',
  status: false,
  reason: 'asleep',
  message: 'Nothing happens on it, so it sleeps. A request, a message or a job that is due wakes it.',
};
const SERVING: ConditionChange = { type: 'Ready', status: true, reason: 'serving', message: 'The gateway answers.' };

type Phase = NonNullable<GatewayChanges['phase']>;
type Data = NonNullable<GatewayChanges['data']>;

/** Writes down how far a gateway's sleep is: phase and routes change together, so that no proxy is told one without the other. */
@Injectable()
export class SleepRows {
  constructor(
    private readonly resources: ResourcesRepository,
    private readonly facts: SleepRepository,
    private readonly routes: RoutePublisher,
    private readonly rows: GatewayRows,
  ) {}

  /** From here on proxies hold and wake. False, and nothing has changed, when `isTime` says no to what the rows say now. */
  async close(gateway: GatewayRecord, lease: Lease, isTime: (facts: SleepFacts) => boolean): Promise<boolean> {
    const closed = await this.resources.asGateway(lease, async (tx) => {
      // Whoever wishes it awake waits for this row: the wish came before, and is seen, or comes after, and finds it sleeping.
      if (!isTime(await this.facts.facts(gateway.id, tx))) return false;
      await this.resources.changeGateway(tx, gateway, { phase: 'suspending', condition: ASLEEP });
      await this.routes.setAsleep(tx, gateway.id, true);
      return true;
    });
    if (closed) await this.routes.announce();
    return closed;
  }

  async deepen(gateway: GatewayRecord, lease: Lease, phase: Phase, data: Data = {}): Promise<void> {
    const changes = { phase, condition: ASLEEP, data: { ...data, restAskedAt: null } };
    await this.resources.asGateway(lease, (tx) => this.resources.changeGateway(tx, gateway, changes));
  }

  /** It answers and knows what it has to know: proxies may send again, and whoever waits for it goes on. */
  async open(gateway: GatewayRecord, lease: Lease, data: Data = {}): Promise<void> {
    await this.rows.opened(gateway, lease, {
      phase: 'ready',
      condition: SERVING,
      data: { ...data, restAskedAt: null },
    });
  }
}
