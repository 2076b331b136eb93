import { Injectable } from '@nestjs/common';
import type { Lease } from '#libs/database';
import { backoff, Clock, deadline } from '#libs/kernel';
import { conditionsOf } from './conditions.js';
import { GatewayEnd } from './gateway-end.js';
import { GatewayHost } from './gateway-host.js';
import { GatewayPorts } from './gateway-ports.js';
import { GatewayQuarantine } from './gateway-quarantine.js';
import { GatewayRows } from './gateway-rows.js';
import { GatewayRun } from './gateway-run.js';
import { GatewaySleep } from './gateway-sleep.js';
import { GatewayUpgrade } from './gateway-upgrade.js';
import { type Outcome, again, settled, waitFor } from './outcome.js';
import { GATEWAY_PHASES, type GatewayPhase, isOverdue, SLEEPING } from './phases.js';
import { HostGate } from './hosts/host-gate.js';
import { LeaseLost, toFailure } from './provisioning.errors.js';
import { type GatewayRecord, ResourcesRepository } from './resources.repository.js';
import { REHEARSAL } from './upgrades/rehearsal-copy.js';
import { WarmLife } from './warm/warm-life.js';

/** A driver or runtime call is given up after this long, in milliseconds. */
const CALL_LIMIT = 45_000;

/**
 * Makes one gateway what its row says: created, started, configured, stopped or gone. Level-triggered: it looks at what
 * is, does the one next thing, and looks again; a crash anywhere leaves nothing that the next pass does not see.
 */
@Injectable()
export class GatewayReconciler {
  constructor(
    private readonly resources: ResourcesRepository,
    private readonly rows: GatewayRows,
    private readonly host: GatewayHost,
    private readonly gate: HostGate,
    private readonly ports: GatewayPorts,
    private readonly run: GatewayRun,
    private readonly end: GatewayEnd,
    private readonly quarantine: GatewayQuarantine,
    private readonly sleep: GatewaySleep,
    private readonly warm: WarmLife,
    private readonly upgrade: GatewayUpgrade,
    private readonly clock: Clock,
  ) {}

  async reconcile(lease: Lease, signal: AbortSignal): Promise<number | null> {
    for (let step = 0; step < 12; step += 1) {
      signal.throwIfAborted();
      const gateway = await this.resources.findGateway(lease.id);
      if (!gateway) return null;
      const outcome = await this.#guarded(gateway, lease, signal);
      if (!outcome.again) return outcome.dueInMs;
    }
    return 0;
  }

  async #guarded(gateway: GatewayRecord, lease: Lease, signal: AbortSignal): Promise<Outcome> {
    try {
      if (gateway.phase !== 'failed' && this.#isOverdue(gateway)) return await this.#overdue(gateway, lease);
      return await this.#step(gateway, lease, signal);
    } catch (error) {
      if (error instanceof LeaseLost || signal.aborted) throw error;
      return this.#failed(gateway, lease, error);
    }
  }

  #isOverdue(gateway: GatewayRecord): boolean {
    return isOverdue(GATEWAY_PHASES, gateway.phase as GatewayPhase, gateway.phaseSince, this.clock.now());
  }

  /** No phase lasts longer than the table allows: agents that wait are told why, and the work is taken up again. */
  async #overdue(gateway: GatewayRecord, lease: Lease): Promise<Outcome> {
    if (this.upgrade.mayGiveUp(gateway)) return this.upgrade.overdue(gateway, lease);
    const { timeoutSeconds: seconds, onTimeout = 'failed' } = GATEWAY_PHASES[gateway.phase as GatewayPhase];
    const bad = conditionsOf(gateway.conditions).find((condition) => condition.type === 'Ready' && !condition.status);
    const text = `The gateway was ${gateway.phase} for more than ${seconds} s. It is tried again by itself.`;
    const condition = {
      type: 'Ready',
      status: false,
      reason: bad?.reason ?? 'phase-timeout',
      message: bad?.message ?? text,
    };
    await this.rows.settle(gateway, lease, { phase: onTimeout, condition, data: { failures: { increment: 1 } } });
    return onTimeout === 'failed' ? waitFor(backoff(gateway.failures, 1_000, 60_000)) : again;
  }

  /** The first part that has something to do with it, in this order, does it. */
  async #step(gateway: GatewayRecord, lease: Lease, signal: AbortSignal): Promise<Outcome> {
    if (gateway.phase === 'deleted') return settled;
    return this.gate.gateway(gateway, lease, signal, (bounded) => this.#work(gateway, lease, bounded));
  }

  async #work(gateway: GatewayRecord, lease: Lease, signal: AbortSignal): Promise<Outcome> {
    const call = deadline(CALL_LIMIT, signal);
    const changed =
      (await this.#unwanted(gateway, lease, call)) ??
      (await this.quarantine.continue(gateway, lease, call)) ??
      // Copies of state take as long as they are big: an upgrade bounds its calls itself.
      (this.upgrade.concerns(gateway) ? await this.upgrade.continue(gateway, lease, signal) : undefined) ??
      (SLEEPING.includes(gateway.phase) ? await this.sleep.continue(gateway, lease, call) : undefined);
    if (changed) return changed;
    const state = await this.host.inspect(gateway, call);
    return (await this.warm.continue(gateway, state, lease, call)) ?? this.run.continue(gateway, state, lease, call);
  }

  /** What it is when it is not to run; undefined when it is. */
  async #unwanted(gateway: GatewayRecord, lease: Lease, call: AbortSignal): Promise<Outcome | undefined> {
    const { desiredState, phase } = gateway;
    if (desiredState === 'running')
      return gateway.pool === REHEARSAL ? this.upgrade.tidyCopy(gateway, lease) : undefined;
    if (phase === 'rehearsing' || desiredState === 'deleted') await this.upgrade.discardCopy(gateway, lease, call);
    if (desiredState === 'deleted') return this.end.delete(gateway, lease, call);
    // Stopped for good, and its image changes all the same.
    const asleep = phase === 'suspended' && this.upgrade.concerns(gateway);
    return asleep ? undefined : this.end.stop(gateway, lease, call);
  }

  async #failed(gateway: GatewayRecord, lease: Lease, error: unknown): Promise<Outcome> {
    const failure = toFailure(error);
    // The gateway has heard from a later holder of this lease: nothing of this pass may be written any more.
    if (failure.code === 'stale-fence') throw new LeaseLost(gateway.id);
    this.host.noteFailure(gateway, error);
    if (failure.code === 'port-in-use') return this.ports.another(gateway, lease, failure);
    return this.rows.backOff(gateway, lease, failure);
  }
}
