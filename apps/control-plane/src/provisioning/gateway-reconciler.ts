import { Injectable } from '@nestjs/common';
import { ControlPlaneConfig } from '#libs/config';
import { type Lease, Prisma } from '#libs/database';
import { DriverError, type GatewayAddress, type GatewayState } from '#libs/drivers/core';
import { backoff, Clock, deadline } from '#libs/kernel';
import { conditionsOf } from './conditions.js';
import { GatewayHost } from './gateway-host.js';
import { GatewaySleep } from './gateway-sleep.js';
import { GatewayUpgrade } from './gateway-upgrade.js';
import { type Outcome, again, settled, waitFor } from './outcome.js';
import { GATEWAY_PHASES, type GatewayPhase, isOverdue, SLEEPING, UPGRADING } from './phases.js';
import { PlacementService } from './placement.service.js';
import { type Failure, LeaseLost, toFailure } from './provisioning.errors.js';
import { type GatewayChanges, type GatewayRecord, ResourcesRepository } from './resources.repository.js';
import { StepObserver } from './steps.js';
import { Waker } from './waker.js';
import { WarmGateways } from './warm-gateways.js';

/** A driver or runtime call is given up after this long, in milliseconds. */
const CALL_LIMIT = 45_000;
/** A gateway that ended this often without a steady time in between is started again only after a pause. */
const PROMPT_RESTARTS = 3;

/** What a gateway that runs already still has to pass through: its process may have been started by a pass that died. */
const TOWARDS_STARTING: Partial<Record<GatewayPhase, GatewayPhase>> = {
  pending: 'creating',
  failed: 'creating',
  draining: 'creating',
  suspended: 'creating',
  lost: 'creating',
  creating: 'starting',
  suspending: 'starting',
  paused: 'starting',
  warm: 'starting',
};

/**
 * Makes one gateway what its row says: created, started, configured, stopped or gone. Level-triggered: it looks at what
 * is, does the one next thing, and looks again; a crash anywhere leaves nothing that the next pass does not see.
 */
@Injectable()
export class GatewayReconciler {
  constructor(
    private readonly resources: ResourcesRepository,
    private readonly host: GatewayHost,
    private readonly placement: PlacementService,
    private readonly sleep: GatewaySleep,
    private readonly warm: WarmGateways,
    private readonly upgrade: GatewayUpgrade,
    private readonly config: ControlPlaneConfig,
    private readonly waker: Waker,
    private readonly steps: StepObserver,
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
      return await this.#step(gateway, lease, deadline(CALL_LIMIT, signal));
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
    const { timeoutSeconds: seconds, onTimeout = 'failed' } = GATEWAY_PHASES[gateway.phase as GatewayPhase];
    const bad = conditionsOf(gateway.conditions).find((condition) => condition.type === 'Ready' && !condition.status);
    const text = `The gateway was ${gateway.phase} for more than ${seconds} s. It is tried again by itself.`;
    const condition = {
      type: 'Ready',
      status: false,
      reason: bad?.reason ?? 'phase-timeout',
      message: bad?.message ?? text,
    };
    await this.#settle(gateway, lease, { phase: onTimeout, condition, data: { failures: { increment: 1 } } });
    return onTimeout === 'failed' ? waitFor(backoff(gateway.failures, 1_000, 60_000)) : again;
  }

  async #step(gateway: GatewayRecord, lease: Lease, signal: AbortSignal): Promise<Outcome> {
    if (gateway.phase === 'deleted') return settled;
    if (gateway.desiredState === 'deleted') return this.#delete(gateway, lease, signal);
    if (gateway.desiredState === 'stopped') return this.#stop(gateway, lease, signal);
    if (UPGRADING.includes(gateway.phase) || (gateway.phase === 'ready' && gateway.targetImage)) {
      const outcome = await this.upgrade.continue(gateway, lease, signal);
      if (outcome) return outcome;
    }
    if (SLEEPING.includes(gateway.phase)) {
      const outcome = await this.sleep.continue(gateway, lease, signal);
      if (outcome) return outcome;
    }
    const state = await this.host.inspect(gateway, signal);
    if (gateway.pool || gateway.phase === 'warm') {
      const outcome = await this.warm.continue(gateway, state, lease, signal);
      if (outcome) return outcome;
    }
    const current = state.status !== 'absent' && state.generation === Number(gateway.generation);
    if (current && state.status === 'paused') return this.#thaw(gateway, lease, signal);
    const running = current && state.status === 'running';
    return running ? this.#serve(gateway, state.address, lease, signal) : this.#create(gateway, state, lease, signal);
  }

  /** Frozen though it should run: somebody woke it, or a pass died after freezing it. */
  async #thaw(gateway: GatewayRecord, lease: Lease, signal: AbortSignal): Promise<Outcome> {
    const entry = TOWARDS_STARTING[gateway.phase as GatewayPhase];
    if (entry) {
      await this.#save(gateway, lease, { phase: entry });
      return again;
    }
    await (await this.host.driver(gateway, signal)).resume(gateway.id, signal);
    this.steps.reached('gateway', gateway.phase, 'thawed');
    return again;
  }

  /** Not running as wanted: (re)create it. The phase is written first, so that a crash is seen as unfinished work. */
  async #create(gateway: GatewayRecord, state: GatewayState, lease: Lease, signal: AbortSignal): Promise<Outcome> {
    if (gateway.phase === 'ready' || gateway.phase === 'starting') {
      const condition = this.#stoppedCondition(state);
      await this.#save(gateway, lease, { phase: 'creating', condition, data: { failures: { increment: 1 } } });
      // The first restarts are at once; one that keeps ending gets longer and longer pauses.
      return gateway.failures < PROMPT_RESTARTS ? again : waitFor(backoff(gateway.failures, 500, 15_000));
    }
    if (gateway.phase !== 'creating') {
      await this.#save(gateway, lease, { phase: 'creating' });
      return again;
    }
    await this.host.start(gateway, signal);
    this.steps.reached('gateway', gateway.phase, 'ensured');
    await this.#save(gateway, lease, { phase: 'starting' });
    return again;
  }

  /** Running: wait until its control port answers, bring its configuration up to date, call it ready. */
  async #serve(gateway: GatewayRecord, address: GatewayAddress, lease: Lease, signal: AbortSignal): Promise<Outcome> {
    const entry = TOWARDS_STARTING[gateway.phase as GatewayPhase];
    if (entry) {
      await this.#save(gateway, lease, { phase: entry });
      return again;
    }
    const status = await this.host.probe(gateway.id, address, signal);
    if (!status) return this.#notYet(gateway, lease);
    const applied = status.state !== 'unconfigured' && status.generation >= Number(gateway.configGeneration);
    if (!applied) await this.#configure(gateway, address, lease, signal);
    if (!applied || gateway.phase !== 'ready' || gateway.observedConfig < gateway.configGeneration) {
      await this.#ready(gateway, address, lease, applied ? BigInt(status.generation) : undefined);
      return again;
    }
    const { recheckMs } = this.config.provisioning;
    const steady = this.clock.now().getTime() - gateway.phaseSince.getTime() >= recheckMs;
    if (steady && gateway.failures > 0) await this.#save(gateway, lease, { data: { failures: 0 } });
    return (await this.sleep.consider(gateway, status, lease, signal)) ?? waitFor(recheckMs);
  }

  async #configure(gateway: GatewayRecord, address: GatewayAddress, lease: Lease, signal: AbortSignal): Promise<void> {
    gateway.observedConfig = await this.host.configure(gateway, address, lease.fence, signal);
    this.steps.reached('gateway', gateway.phase, 'configured');
  }

  async #ready(gateway: GatewayRecord, address: GatewayAddress, lease: Lease, known?: bigint): Promise<void> {
    const observedConfig = known ?? gateway.observedConfig;
    const waiting = await this.resources.asGateway(lease, async (tx) => {
      const condition = { type: 'Ready', status: true, reason: 'serving', message: 'The gateway answers.' };
      const data = { address: { ...address }, observedGeneration: gateway.generation, observedConfig };
      await this.resources.changeGateway(tx, gateway, { phase: 'ready', condition, data });
      return this.resources.agentsWaitingFor(tx, gateway.id);
    });
    await Promise.all(waiting.map((id) => this.waker.wake('agent', id)));
  }

  async #notYet(gateway: GatewayRecord, lease: Lease): Promise<Outcome> {
    const age = this.clock.now().getTime() - gateway.phaseSince.getTime();
    if (gateway.phase !== 'starting') {
      const condition = {
        type: 'Ready',
        status: false,
        reason: 'not-answering',
        message: 'The gateway runs but does not answer.',
      };
      await this.#save(gateway, lease, { phase: 'starting', condition });
      return waitFor(0);
    }
    if (age < this.config.gatewayStartSeconds * 1000) return waitFor(0);
    // It runs and never answers: a fresh one is the only cure; its state directory stays.
    await this.host.remove(gateway, deadline(CALL_LIMIT));
    this.steps.reached('gateway', gateway.phase, 'removed');
    const message = `The gateway did not answer within ${this.config.gatewayStartSeconds} s of its start. Its log says why; it is started again.`;
    return this.#backOff(gateway, lease, { code: 'gateway-start-timeout', message, retryable: true });
  }

  async #stop(gateway: GatewayRecord, lease: Lease, signal: AbortSignal): Promise<Outcome> {
    if (gateway.phase === 'suspended') return settled;
    if (gateway.phase !== 'draining') {
      await this.#save(gateway, lease, { phase: gateway.phase === 'pending' ? 'suspended' : 'draining' });
      return again;
    }
    await this.host.stop(gateway, signal);
    this.steps.reached('gateway', gateway.phase, 'stopped');
    const condition = {
      type: 'Ready',
      status: false,
      reason: 'stopped',
      message: 'Stopped on purpose; its state is kept.',
    };
    await this.#settle(gateway, lease, { phase: 'suspended', condition, data: { failures: 0 } });
    return settled;
  }

  async #delete(gateway: GatewayRecord, lease: Lease, signal: AbortSignal): Promise<Outcome> {
    if (gateway.phase !== 'deleting') {
      await this.#save(gateway, lease, { phase: 'deleting' });
      return again;
    }
    await this.host.remove(gateway, signal);
    this.steps.reached('gateway', gateway.phase, 'removed');
    await this.host.destroy(gateway, signal);
    this.steps.reached('gateway', gateway.phase, 'destroyed');
    await this.#settle(gateway, lease, { phase: 'deleted', data: { port: null, address: Prisma.DbNull, failures: 0 } });
    return settled;
  }

  async #failed(gateway: GatewayRecord, lease: Lease, error: unknown): Promise<Outcome> {
    const failure = toFailure(error);
    // The gateway has heard from a later holder of this lease: nothing of this pass may be written any more.
    if (failure.code === 'stale-fence') throw new LeaseLost(gateway.id);
    this.host.noteFailure(gateway, error);
    if (error instanceof DriverError && error.code === 'port-in-use') {
      await this.resources.asGateway(lease, async (tx) => {
        const port = await this.placement.anotherPort(tx, gateway.hostId, gateway.port ?? 0);
        await this.resources.changeGateway(tx, gateway, { data: { port, generation: { increment: 1n } } });
      });
      return again;
    }
    return this.#backOff(gateway, lease, failure);
  }

  /** Retryable: wait longer each time, say what for. Permanent: failed, and whoever waits for it is told at once. */
  async #backOff(gateway: GatewayRecord, lease: Lease, failure: Failure): Promise<Outcome> {
    const condition = { type: 'Ready', status: false, reason: failure.code, message: failure.message };
    const failing = !failure.retryable && gateway.phase !== 'deleting';
    const changes: GatewayChanges = {
      condition,
      data: { failures: { increment: 1 } },
      ...(failing ? { phase: 'failed' } : {}),
    };
    await this.#settle(gateway, lease, changes);
    return waitFor(failing ? backoff(gateway.failures, 30_000, 300_000) : backoff(gateway.failures, 500, 15_000));
  }

  #stoppedCondition(state: GatewayState) {
    const why =
      state.status === 'stopped'
        ? state.oomKilled
          ? 'It ran out of memory.'
          : `It ended with exit code ${state.exitCode ?? 'unknown'}.`
        : state.status === 'absent'
          ? 'It is not there any more.'
          : 'Its specification changed.';
    return { type: 'Ready', status: false, reason: 'restarting', message: `${why} It is started again.` };
  }

  async #save(gateway: GatewayRecord, lease: Lease, changes: GatewayChanges): Promise<void> {
    await this.resources.asGateway(lease, (tx) => this.resources.changeGateway(tx, gateway, changes));
  }

  /** Saves, and wakes the agents that wait for this gateway. */
  async #settle(gateway: GatewayRecord, lease: Lease, changes: GatewayChanges): Promise<void> {
    const waiting = await this.resources.asGateway(lease, async (tx) => {
      await this.resources.changeGateway(tx, gateway, changes);
      return this.resources.agentsWaitingFor(tx, gateway.id);
    });
    await Promise.all(waiting.map((id) => this.waker.wake('agent', id)));
  }
}
