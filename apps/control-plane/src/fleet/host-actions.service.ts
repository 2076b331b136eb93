import { Injectable } from '@nestjs/common';
import { Database, type Tx } from '#libs/database';
import { deadline } from '#libs/kernel';
import { HostDrivers } from './host-drivers.js';
import { HostStates } from './host-states.js';
import type { HostView } from './host-view.js';
import { isConfigured } from './hosts-admin.service.js';
import { HostAnswers, HostIsConfigured, HostNotEmpty, HostNotFound, HostStateForbids } from './hosts.errors.js';
import { HostsRepository } from './hosts.repository.js';
import type { HostRow } from './hosts.service.js';

/** A host that answers within this time is not lost, in milliseconds. */
const ANSWER_LIMIT = 5_000;

/** What operators do with a whole host. Each is a wish; the reconcilers and the drain make it true. */
@Injectable()
export class HostActionsService {
  constructor(
    private readonly database: Database,
    private readonly hosts: HostsRepository,
    private readonly states: HostStates,
    private readonly drivers: HostDrivers,
  ) {}

  /** Nothing new comes to it; what is there stays. */
  async cordon(id: string, actor: string, reason?: string): Promise<HostView> {
    return this.#change(id, async (tx, host) => {
      this.#assertNotLost(host, 'cordoned');
      await this.states.change(tx, host, { state: 'cordoned', reason: reason ?? null }, actor);
    });
  }

  async uncordon(id: string, actor: string): Promise<HostView> {
    return this.#change(id, async (tx, host) => {
      this.#assertNotLost(host, 'uncordoned');
      const old = await tx.gateway.count({ where: { hostId: id, phase: 'lost' } });
      if (old > 0)
        throw new HostStateForbids(
          `${old} gateways from before it was lost are still being ended there. Try again in a moment.`,
        );
      await this.states.change(tx, host, { state: 'active', reason: null }, actor);
    });
  }

  /** Everything leaves it, a few agents at a time. */
  async drain(id: string, actor: string, reason?: string): Promise<HostView> {
    return this.#change(id, async (tx, host) => {
      this.#assertNotLost(host, 'drained');
      await this.states.change(tx, host, { state: 'draining', reason: reason ?? null }, actor);
    });
  }

  /** It is gone with all that was on it. Asked first: nobody gives up a host that answers. */
  async lose(id: string, actor: string, startEmpty: boolean, reason?: string): Promise<HostView> {
    if (await this.#answers(id)) throw new HostAnswers();
    return this.#change(id, (tx, host) =>
      this.states.change(tx, host, { state: 'lost', reason: reason ?? null, startEmpty }, actor),
    );
  }

  /** Only when nothing is on it any more. The row stays for those that name it, under another name. */
  async remove(id: string, actor: string): Promise<void> {
    await this.database.system(async (tx) => {
      const host = await this.#held(tx, id);
      if (isConfigured(host)) throw new HostIsConfigured('choose another engine');
      const { gateways, agents } = await this.hosts.left(tx, id, host.state === 'lost');
      if (gateways + agents > 0) throw new HostNotEmpty(gateways, agents);
      await this.states.writeOff(tx, id);
      await tx.host.update({ where: { id }, data: { name: `${host.name}~${id}` } });
      await this.states.change(tx, host, { state: 'removed', reason: null }, actor);
    });
    this.drivers.forget(id);
  }

  async #answers(id: string): Promise<boolean> {
    const found = await this.database.system((tx) => this.hosts.find(tx, id));
    if (!found) throw new HostNotFound();
    const limit = deadline(ANSWER_LIMIT);
    try {
      // Afresh: what is remembered of it says nothing of now.
      await (await this.drivers.of(id, limit)).usage(limit);
      return true;
    } catch {
      // Whatever the fault: it cannot be used, which is what the operator says.
      return false;
    }
  }

  #assertNotLost(host: HostRow, what: string): void {
    if (host.state === 'lost')
      throw new HostStateForbids(`A lost host cannot be ${what}. When it answers again it becomes cordoned by itself.`);
  }

  async #change(id: string, change: (tx: Tx, host: HostRow) => Promise<void>): Promise<HostView> {
    return this.database.system(async (tx) => {
      const host = await this.#held(tx, id);
      await change(tx, host);
      return this.hosts.view(tx, (await this.hosts.find(tx, id))!);
    });
  }

  async #held(tx: Tx, id: string): Promise<HostRow> {
    const host = await this.states.hold(tx, id);
    if (!host) throw new HostNotFound();
    return host;
  }
}
