import { Injectable, type OnModuleInit } from '@nestjs/common';
import { assertLeadership, Database, type Leadership } from '#libs/database';
import { Clock } from '#libs/kernel';
import { Outbox } from '../outbox/outbox.js';
import { toFailure } from '../provisioning/provisioning.errors.js';
import type { Duty } from '../provisioning/upkeep/duty.js';
import { Upkeep } from '../provisioning/upkeep/upkeep.js';
import { Waker } from '../provisioning/waker.js';
import { ConfiguredImage } from './configured-image.js';
import { RolloutImages } from './rollout-images.js';
import type { RolloutScope } from './rollout-policy.js';
import { RolloutRound } from './rollout-round.js';
import { RolloutTargets } from './rollout-targets.js';
import type { RolloutRow } from './rollout-view.js';
import { RolloutsRepository } from './rollouts.repository.js';

/** Carries out rollouts: one process does, and what it decided under a lost leadership is not written. */
@Injectable()
export class RolloutLeader implements Duty, OnModuleInit {
  readonly name = 'rollouts';
  readonly everyMs = 1_000;

  constructor(
    private readonly upkeep: Upkeep,
    private readonly database: Database,
    private readonly configured: ConfiguredImage,
    private readonly images: RolloutImages,
    private readonly rollouts: RolloutsRepository,
    private readonly round: RolloutRound,
    private readonly targets: RolloutTargets,
    private readonly outbox: Outbox,
    private readonly waker: Waker,
    private readonly clock: Clock,
  ) {}

  onModuleInit(): void {
    this.upkeep.register(this);
  }

  async run(lead: Leadership, signal: AbortSignal): Promise<void> {
    await this.configured.follow(lead, signal).catch((error: unknown) => this.#unlessAway(error, signal));
    const active = await this.database.once((client) => client.rollout.count({ where: { finishedAt: null } }));
    if (active === 0) return;
    for (const row of await this.database.system((tx) => this.rollouts.active(tx))) {
      signal.throwIfAborted();
      if (row.status === 'pending') await this.#begin(lead, row, signal);
      else await this.#round(lead, row.id);
    }
  }

  /** From here on it is about one image, whatever becomes of the reference. */
  async #begin(lead: Leadership, row: RolloutRow, signal: AbortSignal): Promise<void> {
    let changes: { status: string; image?: string; reason?: string; finishedAt?: Date };
    try {
      const image = await this.images.resolve(row.requested, row.scope as RolloutScope, signal);
      if (image === undefined) return;
      changes = { status: 'running', image };
    } catch (error) {
      signal.throwIfAborted();
      const { retryable, code, message } = toFailure(error);
      if (retryable) return;
      changes = { status: 'failed', reason: `${code}: ${message}`, finishedAt: this.clock.now() };
    }
    await this.database.system(async (tx) => {
      await assertLeadership(tx, lead);
      await this.rollouts.lock(tx);
      const now = await this.rollouts.find(tx, row.id);
      if (now?.status === 'pending') await this.rollouts.change(tx, now, changes);
    });
    await this.outbox.announce();
    if (changes.status === 'running') await this.#round(lead, row.id);
  }

  async #round(lead: Leadership, id: string): Promise<void> {
    const due = await this.database.system(async (tx) => {
      await assertLeadership(tx, lead);
      await this.rollouts.lock(tx);
      const row = await this.rollouts.find(tx, id);
      if (!row || row.finishedAt) return [];
      return this.round.run(tx, row, await this.targets.underWay(tx));
    });
    await this.outbox.announce();
    await Promise.all(due.map((gateway) => this.waker.wake('gateway', gateway)));
  }

  /** An engine that is away is asked again at the next round; rollouts that are under way go on meanwhile. */
  #unlessAway(error: unknown, signal: AbortSignal): void {
    signal.throwIfAborted();
    if (!toFailure(error).code.match(/^(engine-|image-|host-)/)) throw error;
  }
}
