import { Injectable } from '@nestjs/common';
import { ChangeNotifier } from '#libs/queue';
import { Outbox } from '../outbox/outbox.js';
import { Waker } from '../provisioning/waker.js';
import { ROUTES_CHANNEL } from '../routing/route-publisher.js';

/** Agents woken at once; the others are due in the database and found by the next sweep. */
const WAKES = 200;

/** How many ceilings fell, and whose agents have something new to be told. */
export interface Announced {
  readonly fell: number;
  readonly agentIds: readonly string[];
}

/** Makes proxies, gateways and readers of events look now instead of at their next poll. Losing it costs a second. */
@Injectable()
export class CeilingAnnouncer {
  constructor(
    private readonly outbox: Outbox,
    private readonly notifier: ChangeNotifier,
    private readonly waker: Waker,
  ) {}

  async announce({ fell, agentIds }: Announced): Promise<void> {
    const wakes = agentIds.slice(0, WAKES).map((id) => this.waker.wake('agent', id));
    const routes = fell > 0 ? [this.notifier.publish(ROUTES_CHANNEL)] : [];
    await Promise.all([this.outbox.announce(), ...routes, ...wakes]);
  }
}
