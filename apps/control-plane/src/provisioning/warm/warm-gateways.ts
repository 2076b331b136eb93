import { Injectable } from '@nestjs/common';
import { ControlPlaneConfig } from '#libs/config';
import type { Lease } from '#libs/database';
import { DriverError, type GatewayAddress, type GatewayState } from '#libs/drivers/core';
import { Clock } from '#libs/kernel';
import { GatewayCredentials } from '../../secrets/gateway-credentials.js';
import { GatewayHost } from '../gateway-host.js';
import { GatewayRows } from '../gateway-rows.js';
import { type Outcome, again, settled, waitFor } from '../outcome.js';
import type { Failure } from '../provisioning.errors.js';
import type { GatewayRecord } from '../resources.repository.js';
import { StepObserver } from '../steps.js';
import { WarmPoolRepository } from './warm-pool.repository.js';

/** A frozen one is looked at this often though its engine said nothing, in milliseconds. */
const RECHECK_MS = 300_000;

/** Makes a gateway of the pool: started with nothing but the credential for its claim, then frozen until somebody needs it. */
@Injectable()
export class WarmGateways {
  constructor(
    private readonly rows: GatewayRows,
    private readonly host: GatewayHost,
    private readonly pool: WarmPoolRepository,
    private readonly credentials: GatewayCredentials,
    private readonly config: ControlPlaneConfig,
    private readonly steps: StepObserver,
    private readonly clock: Clock,
  ) {}

  /** Of a row that is the pool's. */
  async continue(gateway: GatewayRecord, state: GatewayState, lease: Lease, signal: AbortSignal): Promise<Outcome> {
    switch (gateway.phase) {
      case 'pending':
        return this.#begin(gateway, lease);
      case 'creating':
        return this.#create(gateway, lease, signal);
      case 'starting':
        return this.#await(gateway, state, lease, signal);
      case 'warm':
        return this.#keep(gateway, state, signal);
      default:
        // Failed: whoever keeps the pool decides whether there is another try, with another row.
        return settled;
    }
  }

  /** Somebody needs a gateway of their own at this moment: this one gives way before it has cost anything. */
  async #begin(gateway: GatewayRecord, lease: Lease): Promise<Outcome> {
    if (await this.pool.isBusy(0)) await this.pool.giveUp([gateway.id]);
    else await this.rows.save(gateway, lease, { phase: 'creating' });
    return again;
  }

  async #create(gateway: GatewayRecord, lease: Lease, signal: AbortSignal): Promise<Outcome> {
    await this.host.start(gateway, signal, { claim: this.credentials.claim(gateway.id) });
    this.steps.reached('gateway', gateway.phase, 'ensured');
    await this.rows.save(gateway, lease, { phase: 'starting' });
    return again;
  }

  async #await(gateway: GatewayRecord, state: GatewayState, lease: Lease, signal: AbortSignal): Promise<Outcome> {
    if (!isCurrent(gateway, state)) return this.#broken(gateway, lease, 'gateway-ended', endOf(state));
    if (state.status === 'paused') return this.#resume(gateway, signal);
    const at = { ...state.address, credential: this.credentials.claim(gateway.id) };
    const status = await this.host.probe(gateway.id, state.address, signal, at);
    if (status?.state === 'warm') return this.#warm(gateway, state.address, lease);
    if (status) return this.#broken(gateway, lease, 'not-warm', `It says that it is ${status.state} instead of warm.`);
    const age = this.clock.now().getTime() - gateway.phaseSince.getTime();
    const limit = this.config.gatewayStartSeconds;
    if (age < limit * 1_000) return waitFor(0);
    return this.#broken(gateway, lease, 'gateway-start-timeout', `It did not answer within ${limit} s of its start.`);
  }

  /** From this commit on it can be claimed. */
  async #warm(gateway: GatewayRecord, address: GatewayAddress, lease: Lease): Promise<Outcome> {
    const condition = { type: 'Ready', status: true, reason: 'warm', message: 'Made ahead; nobody’s yet.' };
    const data = { address: { ...address }, observedGeneration: gateway.generation, failures: 0 };
    await this.rows.save(gateway, lease, { phase: 'warm', condition, data });
    return again;
  }

  async #keep(gateway: GatewayRecord, state: GatewayState, signal: AbortSignal): Promise<Outcome> {
    if (!isCurrent(gateway, state)) {
      // Ended, or its engine was restarted: another one is made. Unless somebody claimed it in this moment: then it is theirs.
      await this.pool.giveUp([gateway.id]);
      return again;
    }
    if (state.status === 'running') await this.#freeze(gateway, signal);
    return waitFor(RECHECK_MS);
  }

  async #freeze(gateway: GatewayRecord, signal: AbortSignal): Promise<void> {
    try {
      await (await this.host.driver(gateway, signal)).pause(gateway.id, signal);
      this.steps.reached('gateway', gateway.phase, 'frozen');
    } catch (error) {
      // An engine that cannot freeze: it stays idle, which costs memory and next to no processor time.
      if (!(error instanceof DriverError) || error.retryable) throw error;
    }
  }

  async #resume(gateway: GatewayRecord, signal: AbortSignal): Promise<Outcome> {
    await (await this.host.driver(gateway, signal)).resume(gateway.id, signal);
    return again;
  }

  #broken(gateway: GatewayRecord, lease: Lease, code: string, message: string): Promise<Outcome> {
    const failure: Failure = { code, message, retryable: false };
    return this.rows.backOff(gateway, lease, failure);
  }
}

export const isCurrent = <S extends GatewayState>(
  gateway: GatewayRecord,
  state: S,
): state is Extract<S, { status: 'running' | 'paused' }> =>
  (state.status === 'running' || state.status === 'paused') && state.generation === Number(gateway.generation);

const endOf = (state: GatewayState): string => {
  if (state.status !== 'stopped') return 'It is not there any more.';
  if (state.oomKilled) return 'It ran out of memory.';
  return `It ended with exit code ${state.exitCode ?? 'unknown'}. Its log says why.`;
};
