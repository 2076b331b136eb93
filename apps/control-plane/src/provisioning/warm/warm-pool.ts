import { Injectable, type OnModuleInit } from '@nestjs/common';
import { ControlPlaneConfig } from '#libs/config';
import type { Leadership } from '#libs/database';
import { Clock } from '#libs/kernel';
import { Log } from '../../log.js';
import { toFailure } from '../provisioning.errors.js';
import type { Duty } from '../upkeep/duty.js';
import { Upkeep } from '../upkeep/upkeep.js';
import { Waker } from '../waker.js';
import { distinctKinds, placesNow, planPool, type WarmPlace, type WarmPlan } from './warm-plan.js';
import { type PoolRow, type WarmPool, WarmPoolRepository } from './warm-pool.repository.js';
import { mayTry, type WarmNote, type WarmPoolState } from './warm-pool.state.js';
import { WarmRoom } from './warm-room.js';
import { sizeAt } from './warm-schedule.js';
import { verdictOf } from './warm-verdict.js';

/** It may take this much longer than a start may take, in milliseconds: images are fetched, engines restart. */
const LATE_MS = 60_000;

/** Keeps the wanted number of warm gateways: one after the other, and never while somebody waits for a gateway. */
@Injectable()
export class WarmPoolKeeper implements Duty, OnModuleInit {
  readonly name = 'warm-pool';
  readonly everyMs = 2_000;
  #startedAt = 0;

  constructor(
    private readonly upkeep: Upkeep,
    private readonly pool: WarmPoolRepository,
    private readonly room: WarmRoom,
    private readonly config: ControlPlaneConfig,
    private readonly waker: Waker,
    private readonly clock: Clock,
    private readonly log: Log,
  ) {}

  onModuleInit(): void {
    this.#startedAt = this.clock.now().getTime();
    this.upkeep.register(this);
  }

  async run(lead: Leadership, signal: AbortSignal): Promise<void> {
    const pool = await this.pool.read();
    const size = sizeAt(pool.settings, this.clock.now());
    if (size === 0 && pool.gateways.length === 0) return this.#note(lead, pool, null);
    const state = await this.#judge(lead, pool);
    const hostIds = await this.pool.hostIds();
    const plan = await this.#plan(pool, size, hostIds);
    await this.#remove(lead, plan);
    if (plan.missing.length === 0) return this.#note(lead, { ...pool, state }, null);
    await this.#fill(lead, { ...pool, state }, placesNow(plan.missing, pool.gateways, hostIds), signal);
  }

  async #plan({ image, settings, gateways }: WarmPool, size: number, hostIds: readonly string[]): Promise<WarmPlan> {
    const wish = {
      size,
      hostIds,
      maxPerHost: settings.maxPerHost,
      image,
      kinds: distinctKinds(settings.kinds ?? (await this.pool.kinds())),
      notBefore: new Date(this.clock.now().getTime() - settings.ttlHours * 3_600_000),
    };
    return planPool(wish, gateways.filter(isWanted));
  }

  /** Takes note of how the last ones went; those that did not get ready are removed. */
  async #judge(lead: Leadership, pool: WarmPool): Promise<WarmPoolState> {
    const startLimit = this.config.gatewayStartSeconds * 1_000 + LATE_MS;
    const { state, broken } = verdictOf(pool, startLimit, this.clock.now());
    if (state === pool.state) return state;
    await this.pool.asLeader(lead, async (tx) => {
      await this.pool.giveUp(broken, tx);
      await this.pool.saveFills(tx, state);
    });
    if (broken.length > 0)
      this.log.warn({ gateways: broken, note: state.note }, 'a gateway made ahead did not get ready');
    await Promise.all(broken.map((id) => this.waker.wake('gateway', id)));
    return state;
  }

  async #remove(lead: Leadership, { remove }: WarmPlan): Promise<void> {
    if (remove.length === 0) return;
    const ids = remove.map(({ id }) => id);
    await this.pool.asLeader(lead, (tx) => this.pool.giveUp(ids, tx));
    this.log.info({ gateways: remove }, 'warm gateways are removed');
    await Promise.all(ids.map((id) => this.waker.wake('gateway', id)));
  }

  async #fill(lead: Leadership, pool: WarmPool, places: readonly WarmPlace[], signal: AbortSignal): Promise<void> {
    if (places.length === 0 || !mayTry(pool.state, this.clock.now()) || (await this.#isBusy(pool))) return;
    let inTheWay: WarmNote | undefined;
    for (const place of places) {
      const obstacle = await this.room.obstacle(place.hostId, place.kind, pool.settings, signal);
      if (!obstacle) return this.#make(lead, pool, place);
      inTheWay ??= obstacle;
    }
    await this.#note(lead, pool, inTheWay ?? null);
  }

  async #isBusy({ settings }: WarmPool): Promise<boolean> {
    const calm = this.clock.now().getTime() - this.#startedAt >= settings.quietSeconds * 1_000;
    return !calm || this.pool.isBusy(settings.quietSeconds);
  }

  async #make(lead: Leadership, pool: WarmPool, { hostId, kind }: WarmPlace): Promise<void> {
    try {
      const id = await this.pool.asLeader(lead, (tx) => this.pool.create(tx, hostId, kind, pool.image));
      await this.#note(lead, pool, null);
      await this.waker.wake('gateway', id);
    } catch (error) {
      const { code, message } = toFailure(error);
      if (code !== 'port-range-full') throw error;
      await this.#note(lead, pool, { reason: code, message });
    }
  }

  /** Written when it changes: a pool at rest costs no writes. */
  async #note(lead: Leadership, { state }: WarmPool, note: WarmNote | null): Promise<void> {
    if (state.stopped || (note === null && (state.failures ?? 0) > 0)) return;
    if ((state.note?.message ?? null) === (note?.message ?? null)) return;
    await this.pool.asLeader(lead, (tx) => this.pool.saveFills(tx, { note }));
  }
}

const isWanted = ({ desiredState }: PoolRow): boolean => desiredState === 'running';
