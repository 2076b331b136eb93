import { Injectable } from '@nestjs/common';
import type { GatewayStatus } from '#libs/contracts';
import type { Lease } from '#libs/database';
import type { GatewayAddress } from '#libs/drivers/core';
import { GatewayRuntime } from '#libs/runtimes/core';
import { GatewayHost } from './gateway-host.js';
import { type Outcome, waitFor } from './outcome.js';
import type { GatewayRecord } from './resources.repository.js';
import { Asleep } from './sleep/asleep.js';
import { FallingAsleep } from './sleep/falling-asleep.js';
import { SleepMetrics } from './sleep/sleep-metrics.js';
import { StatusRecord } from './sleep/status-record.js';

/** Puts gateways to sleep on which nothing happens, and wakes them. docs/sleep.md tells the order and why. */
@Injectable()
export class GatewaySleep {
  constructor(
    private readonly record: StatusRecord,
    private readonly falling: FallingAsleep,
    private readonly asleep: Asleep,
    private readonly runtime: GatewayRuntime,
    private readonly host: GatewayHost,
    private readonly metrics: SleepMetrics,
  ) {}

  /** Of a ready gateway whose configuration is current; looked at again after `recheckMs` at the latest. */
  async consider(gateway: GatewayRecord, status: GatewayStatus, lease: Lease, recheckMs: number): Promise<Outcome> {
    await this.record.keep(gateway, status, lease);
    const outcome = gateway.pool === null ? await this.falling.consider(gateway, status, lease) : undefined;
    if (outcome?.again) return outcome;
    return waitFor(Math.min(outcome?.dueInMs ?? recheckMs, recheckMs));
  }

  /** Of a gateway that should run and sleeps: undefined when it has to be started like any other. */
  async continue(gateway: GatewayRecord, lease: Lease, signal: AbortSignal): Promise<Outcome | undefined> {
    if (gateway.phase === 'suspending') return this.falling.goOn(gateway, lease, signal);
    if (gateway.phase === 'paused') return this.asleep.frozen(gateway, lease, signal);
    return gateway.phase === 'draining' ? this.asleep.ending(gateway, lease, signal) : this.asleep.ended(gateway);
  }

  /** Ends an agreement to sleep of a gateway that is to serve: it takes work again. */
  async rouse(
    gateway: GatewayRecord,
    address: GatewayAddress,
    lease: Lease,
    signal: AbortSignal,
  ): Promise<GatewayStatus> {
    return this.runtime.resume(this.host.endpoint(gateway.id, address), lease.fence, signal);
  }

  /** For the figures: a wake that went the long way has come to its end. */
  isAwake(gatewayId: string): void {
    this.metrics.awake(gatewayId);
  }
}
