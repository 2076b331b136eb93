import { Injectable } from '@nestjs/common';
import { ControlPlaneConfig } from '#libs/config';
import type { Lease } from '#libs/database';
import type { GatewayAddress, GatewayState } from '#libs/drivers/core';
import { backoff, Clock } from '#libs/kernel';
import { GatewayHost } from './gateway-host.js';
import { GatewayPorts } from './gateway-ports.js';
import { GatewayRows } from './gateway-rows.js';
import { GatewaySleep } from './gateway-sleep.js';
import { type Outcome, again, waitFor } from './outcome.js';
import type { GatewayPhase } from './phases.js';
import type { GatewayRecord } from './resources.repository.js';
import { RestoredRows } from './restored-rows.js';
import { StepObserver } from './steps.js';

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

/** Makes a gateway that should run do so: created, started, answering, configured. */
@Injectable()
export class GatewayRun {
  constructor(
    private readonly rows: GatewayRows,
    private readonly host: GatewayHost,
    private readonly sleep: GatewaySleep,
    private readonly restored: RestoredRows,
    private readonly ports: GatewayPorts,
    private readonly config: ControlPlaneConfig,
    private readonly steps: StepObserver,
    private readonly clock: Clock,
  ) {}

  /** `state` is what its host says of it now. */
  async continue(gateway: GatewayRecord, state: GatewayState, lease: Lease, signal: AbortSignal): Promise<Outcome> {
    const current = state.status !== 'absent' && state.generation === Number(gateway.generation);
    if (current && state.status === 'paused') return this.#thaw(gateway, lease, signal);
    const running = current && state.status === 'running';
    return running ? this.#serve(gateway, state.address, lease, signal) : this.#create(gateway, state, lease, signal);
  }

  /** Frozen though it should run: somebody woke it, or a pass died after freezing it. */
  async #thaw(gateway: GatewayRecord, lease: Lease, signal: AbortSignal): Promise<Outcome> {
    const entry = TOWARDS_STARTING[gateway.phase as GatewayPhase];
    if (entry) {
      await this.rows.save(gateway, lease, { phase: entry });
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
      await this.rows.save(gateway, lease, { phase: 'creating', condition, data: { failures: { increment: 1 } } });
      // The first restarts are at once; one that keeps ending gets longer and longer pauses.
      return gateway.failures < PROMPT_RESTARTS ? again : waitFor(backoff(gateway.failures, 500, 15_000));
    }
    if (gateway.phase !== 'creating') {
      await this.rows.save(gateway, lease, { phase: 'creating' });
      return again;
    }
    if (await this.ports.movedIntoRange(gateway, lease)) return again;
    await this.host.start(gateway, signal);
    this.steps.reached('gateway', gateway.phase, 'ensured');
    await this.rows.save(gateway, lease, { phase: 'starting' });
    return again;
  }

  /** Running: wait until its control port answers, bring its configuration up to date, call it ready. */
  async #serve(gateway: GatewayRecord, address: GatewayAddress, lease: Lease, signal: AbortSignal): Promise<Outcome> {
    const entry = TOWARDS_STARTING[gateway.phase as GatewayPhase];
    if (entry) {
      await this.rows.save(gateway, lease, { phase: entry });
      return again;
    }
    let status = await this.host.probe(gateway.id, address, signal);
    if (!status) return this.#notYet(gateway, lease, signal);
    await this.restored.catchUp(gateway, lease, status);
    if (status.state === 'suspending') status = await this.sleep.rouse(gateway, address, lease, signal);
    const applied = status.state !== 'unconfigured' && status.generation >= Number(gateway.configGeneration);
    if (!applied) await this.#configure(gateway, address, lease, signal);
    if (!applied || gateway.phase !== 'ready' || gateway.observedConfig < gateway.configGeneration) {
      await this.#ready(gateway, address, lease, applied ? BigInt(status.generation) : undefined);
      return again;
    }
    const { recheckMs } = this.config.provisioning;
    const steady = this.clock.now().getTime() - gateway.phaseSince.getTime() >= recheckMs;
    if (steady && gateway.failures > 0) await this.rows.save(gateway, lease, { data: { failures: 0 } });
    return this.sleep.consider(gateway, status, lease, recheckMs);
  }

  async #configure(gateway: GatewayRecord, address: GatewayAddress, lease: Lease, signal: AbortSignal): Promise<void> {
    gateway.observedConfig = await this.host.configure(gateway, address, lease.fence, signal);
    this.steps.reached('gateway', gateway.phase, 'configured');
  }

  async #ready(gateway: GatewayRecord, address: GatewayAddress, lease: Lease, known?: bigint): Promise<void> {
    await this.rows.serves(gateway, lease, address, known ?? gateway.observedConfig);
    this.sleep.isAwake(gateway.id);
  }

  async #notYet(gateway: GatewayRecord, lease: Lease, signal: AbortSignal): Promise<Outcome> {
    const age = this.clock.now().getTime() - gateway.phaseSince.getTime();
    if (gateway.phase !== 'starting') {
      const condition = {
        type: 'Ready',
        status: false,
        reason: 'not-answering',
        message: 'The gateway runs but does not answer.',
      };
      await this.rows.save(gateway, lease, { phase: 'starting', condition });
      return waitFor(0);
    }
    if (age < this.config.gatewayStartSeconds * 1000) return waitFor(0);
    // It runs and never answers: a fresh one is the only cure; its state directory stays.
    await this.host.remove(gateway, signal);
    this.steps.reached('gateway', gateway.phase, 'removed');
    const message = `The gateway did not answer within ${this.config.gatewayStartSeconds} s of its start. Its log says why; it is started again.`;
    return this.rows.backOff(gateway, lease, { code: 'gateway-start-timeout', message, retryable: true });
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
}
