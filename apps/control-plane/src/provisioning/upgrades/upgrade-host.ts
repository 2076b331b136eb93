import { Injectable } from '@nestjs/common';
import type { GatewayStatus } from '#libs/contracts';
import type { Lease } from '#libs/database';
import type { GatewayAddress } from '#libs/drivers/core';
import { deadline } from '#libs/kernel';
import { GatewayRuntime, RuntimeError } from '#libs/runtimes/core';
import { Log } from '../../log.js';
import { GatewayHost } from '../gateway-host.js';
import type { GatewayRecord } from '../resources.repository.js';
import { StepObserver } from '../steps.js';

/** One that is about to be stopped is not waited for longer than this, in milliseconds. */
const SILENCE_LIMIT = 5_000;

/** What an upgrade does with a running gateway besides what every reconciler does. */
@Injectable()
export class UpgradeHost {
  constructor(
    private readonly host: GatewayHost,
    private readonly runtime: GatewayRuntime,
    private readonly steps: StepObserver,
    private readonly log: Log,
  ) {}

  /** Where it runs and what it says; undefined when it does not run as its row says, or does not answer. */
  async look(gateway: GatewayRecord, signal: AbortSignal): Promise<Running | undefined> {
    const state = await this.host.inspect(gateway, signal);
    if (state.status !== 'running' || state.generation !== Number(gateway.generation)) return undefined;
    const status = await this.host.probe(gateway.id, state.address, signal);
    return status && { status, address: state.address };
  }

  /**
   * Its last configuration begins nothing: what runs may end, what is left stays pending, and the next process that starts
   * on this state begins nothing either until it is told. Without an answer it is stopped all the same.
   */
  async silence(gateway: GatewayRecord, lease: Lease, signal: AbortSignal): Promise<void> {
    const state = await this.host.inspect(gateway, deadline(SILENCE_LIMIT, signal));
    if (state.status !== 'running') return;
    try {
      await this.#applySilently(gateway, state.address, lease, deadline(SILENCE_LIMIT, signal));
    } catch (err) {
      if (signal.aborted || (err instanceof RuntimeError && err.code === 'stale-fence')) throw err;
      this.log.warn({ err, gateway: gateway.id }, 'a gateway could not be told that it is replaced; it is stopped');
    }
  }

  /** With all its agents and secrets, to be looked at: everything is opened, nothing is run. */
  async configureSilently(
    gateway: GatewayRecord,
    address: GatewayAddress,
    lease: Lease,
    signal: AbortSignal,
  ): Promise<void> {
    await this.#applySilently(gateway, address, lease, signal);
    this.steps.reached('gateway', gateway.phase, 'configured');
  }

  async #applySilently(
    gateway: GatewayRecord,
    address: GatewayAddress,
    lease: Lease,
    signal: AbortSignal,
  ): Promise<void> {
    const { config, secrets } = await this.host.compile(gateway, lease.fence, signal);
    await (await this.host.driver(gateway, signal)).writeSecrets(gateway.id, secrets, signal);
    const at = this.host.endpoint(gateway.id, address);
    await this.runtime.apply(at, { ...config, rehearsal: true }, 0, signal);
  }
}

export interface Running {
  readonly status: GatewayStatus;
  readonly address: GatewayAddress;
}
