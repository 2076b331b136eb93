import { Injectable } from '@nestjs/common';
import type { GatewayStatus } from '#libs/contracts';
import type { Lease } from '#libs/database';
import type { GatewayAddress } from '#libs/drivers/core';
import { Clock } from '#libs/kernel';
import { type GatewayEndpoint, GatewayRuntime, RuntimeError } from '#libs/runtimes/core';
import { GatewayHost } from '../gateway-host.js';
import { type Outcome, again, settled, waitFor } from '../outcome.js';
import type { GatewayRecord } from '../resources.repository.js';
import { StepObserver } from '../steps.js';
import { SleepMetrics } from './sleep-metrics.js';
import { isCalledByJob, isToBeEnded, isWanted, policyOf, restOf } from './sleep-policy.js';
import { SleepRepository } from './sleep.repository.js';
import { SleepRows } from './sleep-rows.js';

/** Of a gateway that sleeps: woken when it is wanted, ended when it sleeps for long, else left alone until something is due. */
@Injectable()
export class Asleep {
  constructor(
    private readonly facts: SleepRepository,
    private readonly rows: SleepRows,
    private readonly host: GatewayHost,
    private readonly runtime: GatewayRuntime,
    private readonly steps: StepObserver,
    private readonly metrics: SleepMetrics,
    private readonly clock: Clock,
  ) {}

  /** In phase `paused`. Undefined: it has to be started like any other. */
  async frozen(gateway: GatewayRecord, lease: Lease, signal: AbortSignal): Promise<Outcome | undefined> {
    const now = this.clock.now();
    if (isWanted(gateway, now)) return this.#wake(gateway, lease, signal);
    const state = await this.host.inspect(gateway, signal);
    const current = state.status !== 'absent' && state.generation === Number(gateway.generation);
    // Thawed by somebody else, or by a pass that died: its routes may open again.
    if (current && state.status === 'running') return undefined;
    const { kind, policies } = await this.facts.facts(gateway.id);
    const policy = policyOf(kind, policies);
    if (state.status !== 'paused') {
      // Its process is gone, with a restart of the engine for example: there is nothing left to be frozen.
      await this.rows.deepen(gateway, lease, 'draining');
      return again;
    }
    if (isToBeEnded(gateway, policy, now)) return this.#end(gateway, state.address, lease, signal);
    return { again: false, dueInMs: restOf(gateway, policy, now) };
  }

  /** In phase `draining`, on the way to a longer sleep. */
  async ending(gateway: GatewayRecord, lease: Lease, signal: AbortSignal): Promise<Outcome | undefined> {
    if (isWanted(gateway, this.clock.now())) return undefined;
    await this.host.stop(gateway, signal);
    this.steps.reached('gateway', gateway.phase, 'stopped');
    await this.rows.deepen(gateway, lease, 'suspended');
    this.metrics.fell('suspended');
    return again;
  }

  /** In phase `suspended`. */
  ended(gateway: GatewayRecord): Outcome | undefined {
    const now = this.clock.now();
    if (isWanted(gateway, now)) {
      this.#note(gateway, 'ended');
      return undefined;
    }
    const rest = restOf(gateway, { suspendAfterSeconds: null, stopAfterSeconds: null }, now);
    return rest === null ? settled : waitFor(rest);
  }

  /** A process that could not be spoken to, or is not what it should be, goes the long way. */
  async #wake(gateway: GatewayRecord, lease: Lease, signal: AbortSignal): Promise<Outcome | undefined> {
    this.#note(gateway, 'frozen');
    const address = gateway.address as unknown as GatewayAddress | null;
    if (!address || gateway.observedGeneration < gateway.generation) return undefined;
    await (await this.host.driver(gateway, signal)).resume(gateway.id, signal);
    this.steps.reached('gateway', gateway.phase, 'thawed');
    const status = await this.#rouse(this.host.endpoint(gateway.id, address), lease, signal);
    if (status?.state !== 'ready' || status.generation < Number(gateway.configGeneration)) return undefined;
    await this.rows.open(gateway, lease, { observedConfig: BigInt(status.generation) });
    this.metrics.awake(gateway.id);
    return again;
  }

  async #rouse(at: GatewayEndpoint, lease: Lease, signal: AbortSignal): Promise<GatewayStatus | undefined> {
    try {
      return await this.runtime.resume(at, lease.fence, signal);
    } catch (error) {
      if (error instanceof RuntimeError && error.retryable) return undefined;
      throw error;
    }
  }

  /** It agrees once more before it is ended: something may have reached it as it was frozen. */
  async #end(
    gateway: GatewayRecord,
    address: GatewayAddress,
    lease: Lease,
    signal: AbortSignal,
  ): Promise<Outcome | undefined> {
    await (await this.host.driver(gateway, signal)).resume(gateway.id, signal);
    this.steps.reached('gateway', gateway.phase, 'thawed');
    try {
      await this.runtime.suspend(this.host.endpoint(gateway.id, address), lease.fence, signal);
    } catch (error) {
      if (!(error instanceof RuntimeError) || error.code !== 'gateway-busy') throw error;
      this.metrics.fell('busy');
      return undefined;
    }
    this.steps.reached('gateway', gateway.phase, 'agreed');
    await this.rows.deepen(gateway, lease, 'draining');
    return again;
  }

  #note(gateway: GatewayRecord, from: 'frozen' | 'ended'): void {
    if (this.metrics.waking(gateway.id, from) && isCalledByJob(gateway, this.clock.now()))
      this.metrics.wished('schedule');
  }
}
