import { Injectable } from '@nestjs/common';
import type { Tx } from '#libs/database';
import { Clock } from '#libs/kernel';
import { Outbox } from '../outbox/outbox.js';
import { type LimitState, stateView } from './quota-grant.js';
import { limitStates } from './quota-limits.js';
import { type CounterRow, QuotaRepository } from './quota.repository.js';

const DAY_MS = 86_400_000;
const WARNING = 80;
const EXHAUSTED = 100;

/**
 * Says once per scope and day that 80 % of a limit is used, and once that it is used up (or that a call was refused for
 * it). The counter's `alerted` decides who says it: one of all who see it at the same time.
 */
@Injectable()
export class QuotaAlerts {
  constructor(
    private readonly counters: QuotaRepository,
    private readonly outbox: Outbox,
    private readonly clock: Clock,
  ) {}

  /** In the transaction that changed the counters; true when something was said (announce the outbox after the commit). */
  async look(tx: Tx, changed: readonly CounterRow[]): Promise<boolean> {
    const open = changed.filter((counter) => counter.alerted < EXHAUSTED && this.#isCurrent(counter.day));
    if (open.length === 0) return false;
    const stored = await this.counters.storedLimits(tx, [...new Set(open.map(({ scopeId }) => scopeId))]);
    let said = false;
    for (const counter of open) {
      const worst = mostUsed(limitStates(counter, stored.get(counter.scopeId)));
      const level = worst ? levelOf(worst) : 0;
      if (worst && level > counter.alerted) said = (await this.#say(tx, counter, level, worst)) || said;
    }
    return said;
  }

  /** A call was refused for the rest of the day. */
  async refused(tx: Tx, counter: CounterRow, limit: LimitState): Promise<boolean> {
    if (counter.alerted >= EXHAUSTED) return false;
    return this.#say(tx, counter, EXHAUSTED, limit);
  }

  async #say(tx: Tx, counter: CounterRow, level: number, limit: LimitState): Promise<boolean> {
    if (!(await this.counters.raiseAlert(tx, counter, level))) return false;
    const { tenantId, scope, scopeId, day } = counter;
    const { unit, used, limit: most } = stateView(limit);
    const member = scope === 'member' ? { memberId: scopeId } : {};
    await this.outbox.append(tx, {
      tenantId,
      topic: 'usage',
      aggregateId: scopeId,
      type: level === EXHAUSTED ? 'quota.exhausted' : 'quota.warning',
      data: { scope, ...member, day, unit: unit === 'micros' ? 'costMicros' : 'tokens', limit: most, used },
    });
    return true;
  }

  /** Reports of days long gone come late; nobody has to be told of them any more. */
  #isCurrent(day: string): boolean {
    return Date.parse(day) >= this.clock.now().getTime() - 2 * DAY_MS;
  }
}

const levelOf = ({ used, limit }: LimitState): number =>
  used >= limit ? EXHAUSTED : used * 100n >= limit * BigInt(WARNING) ? WARNING : 0;

/** The limit that is used up furthest. */
const mostUsed = (states: readonly LimitState[]): LimitState | undefined =>
  [...states].sort((a, b) => (a.used * b.limit > b.used * a.limit ? -1 : 1))[0];
