import { Injectable } from '@nestjs/common';
import type { Lease } from '#libs/database';
import { DriverError } from '#libs/drivers/core';
import { GatewayHost } from './gateway-host.js';
import { GatewayRows } from './gateway-rows.js';
import { type Outcome, again, settled } from './outcome.js';
import { UPGRADING } from './phases.js';
import type { GatewayRecord } from './resources.repository.js';
import { StepObserver } from './steps.js';

const condition = (how: string) => ({
  type: 'Ready',
  status: false,
  reason: 'quarantined',
  message: `An operator took it out of service. It is ${how} and kept as it is for a look; nothing starts it until it is released.`,
});

/**
 * Keeps a gateway as it is for a look: frozen with its memory when it served, stopped when it was on its way there. Its
 * routes are held by whoever quarantined it, in the same transaction.
 */
@Injectable()
export class GatewayQuarantine {
  constructor(
    private readonly host: GatewayHost,
    private readonly rows: GatewayRows,
    private readonly steps: StepObserver,
  ) {}

  /** Undefined when it is not quarantined, or when an upgrade has to end first. */
  async continue(gateway: GatewayRecord, lease: Lease, signal: AbortSignal): Promise<Outcome | undefined> {
    if (!gateway.quarantinedAt || gateway.pool !== null || UPGRADING.includes(gateway.phase)) return undefined;
    switch (gateway.phase) {
      case 'ready':
        return this.#towards(gateway, lease, 'suspending');
      case 'suspending':
        return this.#freeze(gateway, lease, signal);
      case 'paused':
        return this.#stayFrozen(gateway, lease, signal);
      case 'draining':
        return this.#stop(gateway, lease, signal);
      case 'suspended':
        return settled;
      default:
        return this.#towards(gateway, lease, gateway.phase === 'pending' ? 'suspended' : 'draining');
    }
  }

  async #towards(
    gateway: GatewayRecord,
    lease: Lease,
    phase: 'suspending' | 'draining' | 'suspended',
  ): Promise<Outcome> {
    await this.rows.save(gateway, lease, { phase });
    return again;
  }

  async #freeze(gateway: GatewayRecord, lease: Lease, signal: AbortSignal): Promise<Outcome> {
    if (!(await this.#frozen(gateway, signal))) return this.#towards(gateway, lease, 'draining');
    this.steps.reached('gateway', gateway.phase, 'frozen');
    await this.rows.settle(gateway, lease, { phase: 'paused', condition: condition('frozen'), data: { failures: 0 } });
    return settled;
  }

  /** Whatever happened to it since: what runs is frozen again, what ended stays ended. */
  async #stayFrozen(gateway: GatewayRecord, lease: Lease, signal: AbortSignal): Promise<Outcome> {
    const { status } = await this.host.inspect(gateway, signal);
    if (status === 'running') await this.#frozen(gateway, signal);
    await this.rows.settle(gateway, lease, { condition: condition(status === 'absent' ? 'gone' : 'frozen') });
    return settled;
  }

  async #stop(gateway: GatewayRecord, lease: Lease, signal: AbortSignal): Promise<Outcome> {
    await this.host.stop(gateway, signal);
    this.steps.reached('gateway', gateway.phase, 'stopped');
    const data = { failures: 0 };
    await this.rows.settle(gateway, lease, { phase: 'suspended', condition: condition('stopped'), data });
    return settled;
  }

  /** False when it does not run. */
  async #frozen(gateway: GatewayRecord, signal: AbortSignal): Promise<boolean> {
    try {
      await (await this.host.driver(gateway, signal)).pause(gateway.id, signal);
      return true;
    } catch (error) {
      if (error instanceof DriverError && error.code === 'engine-refused') return false;
      throw error;
    }
  }
}
