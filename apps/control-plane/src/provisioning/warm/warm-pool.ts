import { Injectable, type OnModuleInit } from '@nestjs/common';
import { ControlPlaneConfig } from '#libs/config';
import type { Leadership } from '#libs/database';
import { Clock } from '#libs/kernel';
import { Log } from '../../log.js';
import { toFailure } from '../provisioning.errors.js';
import type { Duty } from '../upkeep/duty.js';
import { Upkeep } from '../upkeep/upkeep.js';
import { Waker } from '../waker.js';
import { distinctKinds, planPool, type WarmPlan } from './warm-plan.js';
import { type PoolRow, type WarmPool, WarmPoolRepository } from './warm-pool.repository.js';
import { afterFailure, ANEW, mayTry, type WarmNote, type WarmPoolState } from './warm-pool.state.js';
import { WarmRoom } from './warm-room.js';
import { sizeAt } from './warm-schedule.js';

/** So many tries, with the reconciler's pauses in between, and it is taken for broken. */
const BROKEN_AFTER = 3;
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
    const plan = await this.#plan(pool, size);
    await this.#remove(lead, plan);
    await this.#fill(lead, { ...pool, state }, plan, signal);
  }

  async #plan({ image, settings, gateways }: WarmPool, size: number): Promise<WarmPlan> {
    const wish = {
      size,
      maxPerHost: settings.maxPerHost,
      image,
      kinds: distinctKinds(settings.kinds ?? (await this.pool.kinds())),
      hostIds: await this.pool.hostIds(),
      notBefore: new Date(this.clock.now().getTime() - settings.ttlHours * 3_600_000),
    };
    return planPool(wish, gateways.filter(isWanted));
  }

  /** Takes note of how the last ones went; those that did not get ready are removed. */
  async #judge(lead: Leadership, pool: WarmPool): Promise<WarmPoolState> {
    const subject = `${pool.image}#${pool.version}`;
    const before = pool.state.subject === subject ? pool.state : { ...pool.state, ...ANEW, subject };
    const broken = pool.gateways.filter((gateway) => isWanted(gateway) && this.#isBroken(gateway));
    const ids = broken.map(({ id }) => id);
    let state = before;
    for (const gateway of broken)
      state = { ...state, ...afterFailure(state, failureOf(gateway), pool.settings.maxFailures, this.clock.now()) };
    if (broken.length === 0 && (state.failures ?? 0) > 0 && hasRecovered(pool.gateways, state))
      state = { ...state, ...ANEW };
    if (state === pool.state) return state;
    await this.pool.asLeader(lead, async (tx) => {
      await this.pool.giveUp(ids, tx);
      await this.pool.saveState(tx, state);
    });
    if (ids.length > 0) this.log.warn({ gateways: ids, note: state.note }, 'a gateway made ahead did not get ready');
    await Promise.all(ids.map((id) => this.waker.wake('gateway', id)));
    return state;
  }

  #isBroken({ phase, failures, createdAt }: PoolRow): boolean {
    if (phase === 'warm' || phase === 'deleting') return false;
    const age = this.clock.now().getTime() - createdAt.getTime();
    return phase === 'failed' || failures >= BROKEN_AFTER || age > this.config.gatewayStartSeconds * 1_000 + LATE_MS;
  }

  async #remove(lead: Leadership, { remove }: WarmPlan): Promise<void> {
    if (remove.length === 0) return;
    const ids = remove.map(({ id }) => id);
    await this.pool.asLeader(lead, (tx) => this.pool.giveUp(ids, tx));
    this.log.info({ gateways: remove }, 'warm gateways are removed');
    await Promise.all(ids.map((id) => this.waker.wake('gateway', id)));
  }

  async #fill(lead: Leadership, pool: WarmPool, { missing }: WarmPlan, signal: AbortSignal): Promise<void> {
    const [next] = missing;
    // One at a time, also while an old one still goes: it holds a port and memory.
    const underWay = pool.gateways.some((gateway) => gateway.phase !== 'warm' || !isWanted(gateway));
    if (!next) return this.#note(lead, pool, null);
    if (underWay || !mayTry(pool.state, this.clock.now()) || (await this.#isBusy(pool))) return;
    for (const { hostId, kind } of missing) {
      const obstacle = await this.room.obstacle(hostId, kind, pool.settings, signal);
      if (!obstacle) return this.#make(lead, pool, { hostId, kind });
      await this.#note(lead, pool, obstacle);
    }
  }

  async #isBusy({ settings }: WarmPool): Promise<boolean> {
    const calm = this.clock.now().getTime() - this.#startedAt >= settings.quietSeconds * 1_000;
    return !calm || this.pool.isBusy(settings.quietSeconds);
  }

  async #make(lead: Leadership, pool: WarmPool, { hostId, kind }: WarmPlan['missing'][number]): Promise<void> {
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
    await this.pool.asLeader(lead, (tx) => this.pool.saveState(tx, { note }));
  }
}

const isWanted = ({ desiredState }: PoolRow): boolean => desiredState === 'running';

const failureOf = ({ ready, phase }: PoolRow): WarmNote =>
  ready && !ready.status
    ? { reason: ready.reason, message: ready.message }
    : { reason: 'warm-start-timeout', message: `It was still ${phase} long after it should have been ready.` };

/** One that was made after the last failure is ready. */
const hasRecovered = (gateways: readonly PoolRow[], { lastFailure }: WarmPoolState): boolean =>
  gateways.some(({ phase, createdAt }) => phase === 'warm' && createdAt > new Date(lastFailure?.at ?? 0));
