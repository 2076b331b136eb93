import { Injectable } from '@nestjs/common';
import type { GatewayStatus, SuspendAnswer } from '#libs/contracts';
import type { Lease } from '#libs/database';
import type { GatewayAddress } from '#libs/drivers/core';
import { Clock } from '#libs/kernel';
import { GatewayRuntime, RuntimeError } from '#libs/runtimes/core';
import { GatewayHost } from '../gateway-host.js';
import { type Outcome, again, waitFor } from '../outcome.js';
import type { GatewayRecord } from '../resources.repository.js';
import { StepObserver } from '../steps.js';
import { SleepMetrics } from './sleep-metrics.js';
import { decide, isToBeEnded, isWanted, policyOf } from './sleep-policy.js';
import { SleepRepository } from './sleep.repository.js';
import { SleepRows } from './sleep-rows.js';

/**
 * Between the word to the proxies that it sleeps and the moment it is frozen, in milliseconds: whoever sends by an older table
 * meanwhile is turned away by a gateway that still can. A feed brings news within 1 s even when notices get lost.
 */
const NOTICE_MS = 1_500;
/** A gateway that had something to do after all is left in peace this long, in milliseconds. */
const BUSY_PAUSE_MS = 30_000;

/** The way from ready to sleep: told to the proxies, agreed with the gateway, then frozen or ended. */
@Injectable()
export class FallingAsleep {
  constructor(
    private readonly facts: SleepRepository,
    private readonly rows: SleepRows,
    private readonly host: GatewayHost,
    private readonly runtime: GatewayRuntime,
    private readonly steps: StepObserver,
    private readonly metrics: SleepMetrics,
    private readonly clock: Clock,
  ) {}

  /** Of a ready gateway: undefined when it stays awake and nothing is foreseen. */
  async consider(gateway: GatewayRecord, status: GatewayStatus, lease: Lease): Promise<Outcome | undefined> {
    if (status.idleSince === null || status.state !== 'ready' || gateway.failures > 0) return undefined;
    const idle = {
      idleSince: new Date(status.idleSince),
      nextJobAt: status.nextJobAt === null ? null : new Date(status.nextJobAt),
    };
    const decision = decide(await this.facts.facts(gateway.id), idle, this.clock.now());
    if (!decision.sleep) return decision.lookInMs === null ? undefined : waitFor(decision.lookInMs);
    const closed = await this.rows.close(gateway, lease, (now) => decide(now, idle, this.clock.now()).sleep);
    return closed ? again : undefined;
  }

  /** In phase `suspending`. Undefined: it is not there as expected, and has to be started like any other. */
  async goOn(gateway: GatewayRecord, lease: Lease, signal: AbortSignal): Promise<Outcome | undefined> {
    const state = await this.host.inspect(gateway, signal);
    const current = state.status !== 'absent' && state.generation === Number(gateway.generation);
    // Frozen before the row said so: what it agreed to still holds, as its own clock stood still.
    if (current && state.status === 'paused') return this.#frozen(gateway, lease, gateway.nextJobAt);
    if (!current || state.status !== 'running') return undefined;
    if (isWanted(gateway, this.clock.now())) return this.#stayAwake(gateway, state.address, lease, signal);
    const answer = await this.#agree(gateway, state.address, lease, signal);
    if (!answer) {
      this.metrics.fell('busy');
      return this.#stayAwake(gateway, state.address, lease, signal, BUSY_PAUSE_MS);
    }
    const left = gateway.phaseSince.getTime() + NOTICE_MS - this.clock.now().getTime();
    return left > 0 ? waitFor(left) : this.#putToSleep(gateway, answer, lease, signal);
  }

  /** Undefined: it is busy. Asked again before each step that relies on it: repeating an agreement renews it. */
  async #agree(
    gateway: GatewayRecord,
    address: GatewayAddress,
    lease: Lease,
    signal: AbortSignal,
  ): Promise<SuspendAnswer | undefined> {
    try {
      const answer = await this.runtime.suspend(this.host.endpoint(gateway.id, address), lease.fence, signal);
      this.steps.reached('gateway', gateway.phase, 'agreed');
      return answer;
    } catch (error) {
      if (error instanceof RuntimeError && error.code === 'gateway-busy') return undefined;
      throw error;
    }
  }

  async #putToSleep(
    gateway: GatewayRecord,
    answer: SuspendAnswer,
    lease: Lease,
    signal: AbortSignal,
  ): Promise<Outcome> {
    const { kind, policies } = await this.facts.facts(gateway.id);
    if (isToBeEnded(gateway, policyOf(kind, policies), this.clock.now())) {
      await this.rows.deepen(gateway, lease, 'draining');
      return again;
    }
    await (await this.host.driver(gateway, signal)).pause(gateway.id, signal);
    this.steps.reached('gateway', gateway.phase, 'frozen');
    return this.#frozen(gateway, lease, answer.nextJobAt === null ? null : new Date(answer.nextJobAt));
  }

  async #frozen(gateway: GatewayRecord, lease: Lease, nextJobAt: Date | null): Promise<Outcome> {
    await this.rows.deepen(gateway, lease, 'paused', { nextJobAt });
    this.metrics.fell('paused');
    return again;
  }

  /** `pauseMs`: not asked again for that long. */
  async #stayAwake(
    gateway: GatewayRecord,
    address: GatewayAddress,
    lease: Lease,
    signal: AbortSignal,
    pauseMs?: number,
  ): Promise<Outcome> {
    await this.runtime.resume(this.host.endpoint(gateway.id, address), lease.fence, signal);
    const awakeUntil = pauseMs === undefined ? undefined : new Date(this.clock.now().getTime() + pauseMs);
    await this.rows.open(gateway, lease, awakeUntil ? { awakeUntil } : {});
    return again;
  }
}
