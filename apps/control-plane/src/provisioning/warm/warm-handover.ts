import { Injectable } from '@nestjs/common';
import type { ConfigApplied, GatewayConfig } from '#libs/contracts';
import type { Lease } from '#libs/database';
import type { GatewayAddress, GatewayState } from '#libs/drivers/core';
import { deadline, delay } from '#libs/kernel';
import { GatewayRuntime, RuntimeError } from '#libs/runtimes/core';
import { Log } from '../../log.js';
import { GatewayCredentials } from '../../secrets/gateway-credentials.js';
import { GatewayHost, specOf } from '../gateway-host.js';
import { GatewayRows } from '../gateway-rows.js';
import { type Outcome, again } from '../outcome.js';
import type { GatewayRecord } from '../resources.repository.js';
import { StepObserver } from '../steps.js';
import { isCurrent } from './warm-gateways.js';
import { WarmPoolRepository } from './warm-pool.repository.js';

/** A warm gateway that has not taken its identity after this long is thrown away, in milliseconds. */
const CLAIM_LIMIT = 3_000;
const CLAIM_EVERY = 15;

/** It belongs to a tenant and may not know it yet. */
export const isClaimed = ({
  claimedAt,
  observedConfig,
}: Pick<GatewayRecord, 'claimedAt' | 'observedConfig'>): boolean => claimedAt !== null && observedConfig === 0n;

/**
 * Tells a warm gateway whose it is. Its row says so already (WarmClaims); each step can be repeated, and one that does not
 * take it is replaced by a fresh process of the same row: whoever waits gets a gateway either way.
 */
@Injectable()
export class WarmHandover {
  constructor(
    private readonly rows: GatewayRows,
    private readonly host: GatewayHost,
    private readonly runtime: GatewayRuntime,
    private readonly credentials: GatewayCredentials,
    private readonly pool: WarmPoolRepository,
    private readonly steps: StepObserver,
    private readonly log: Log,
  ) {}

  /** Undefined: it knows already, go on as with any other. */
  async continue(
    gateway: GatewayRecord,
    state: GatewayState,
    lease: Lease,
    signal: AbortSignal,
  ): Promise<Outcome | undefined> {
    if (gateway.phase === 'warm') {
      await this.rows.save(gateway, lease, { phase: 'starting' });
      gateway.phase = 'starting';
    }
    if (gateway.phase !== 'starting' && gateway.phase !== 'failed') {
      // It comes without a process from there: the next one it gets knows whose it is.
      await this.rows.save(gateway, lease, { data: { claimedAt: null } });
      return again;
    }
    if (gateway.phase === 'failed' || !isCurrent(gateway, state)) return this.#startCold(gateway, lease, signal);
    const { config, secrets } = await this.host.compile(gateway, lease.fence, signal);
    const driver = await this.host.driver(gateway, signal);
    await Promise.all([
      // The file of the claim goes with this: the process read it at its start, and a later one is an ordinary gateway.
      driver.writeSecrets(gateway.id, secrets, signal),
      driver.adjust(gateway.id, specOf(gateway, {}).resources, signal),
    ]);
    if (state.status === 'paused') {
      await driver.resume(gateway.id, signal);
      this.steps.reached('gateway', gateway.phase, 'thawed');
    }
    const at = { ...state.address, credential: this.credentials.claim(gateway.id) };
    const applied = await this.#claim(at, config, signal);
    if (applied === 'unanswered') {
      await this.pool.noteLostClaim();
      return this.#startCold(gateway, lease, signal);
    }
    this.steps.reached('gateway', gateway.phase, 'claimed');
    if (applied === 'claimed-before') return undefined;
    return this.#serves(gateway, state.address, lease, BigInt(applied.generation));
  }

  async #claim(
    at: GatewayAddress & { readonly credential: string },
    config: GatewayConfig,
    signal: AbortSignal,
  ): Promise<ConfigApplied | 'claimed-before' | 'unanswered'> {
    const limit = deadline(CLAIM_LIMIT, signal);
    while (!limit.aborted) {
      try {
        return await this.runtime.claim(at, config, limit);
      } catch (error) {
        if (signal.aborted) throw error;
        if (error instanceof RuntimeError && error.code === 'gateway-claimed') return 'claimed-before';
        // A later holder of the lease has been there: this pass is over.
        if (error instanceof RuntimeError && error.code === 'stale-fence') throw error;
        if (error instanceof RuntimeError && !error.retryable) return 'unanswered';
        await delay(CLAIM_EVERY, limit).catch(() => undefined);
      }
    }
    return 'unanswered';
  }

  async #serves(gateway: GatewayRecord, address: GatewayAddress, lease: Lease, applied: bigint): Promise<Outcome> {
    await this.rows.serves(gateway, lease, address, applied);
    await this.pool.forgetLostClaims();
    return again;
  }

  /** The process goes; the row, its port and its agent stay and get a fresh one. */
  async #startCold(gateway: GatewayRecord, lease: Lease, signal: AbortSignal): Promise<Outcome> {
    const driver = await this.host.driver(gateway, signal);
    // At once: one that hangs hears no request to end.
    await driver.stop(gateway.id, 0, signal);
    await driver.remove(gateway.id, signal);
    this.steps.reached('gateway', gateway.phase, 'removed');
    const message = 'A gateway made ahead was no good. A fresh one is started.';
    const condition = { type: 'Ready', status: false, reason: 'warm-gateway-lost', message };
    await this.rows.save(gateway, lease, { phase: 'creating', condition, data: { claimedAt: null } });
    this.log.warn({ gateway: gateway.id }, 'a warm gateway did not take its claim; it is started afresh');
    return again;
  }
}
