import { Injectable } from '@nestjs/common';
import { ControlPlaneConfig } from '#libs/config';
import type { Lease } from '#libs/database';
import type { GatewayAddress } from '#libs/drivers/core';
import { Clock, deadline } from '#libs/kernel';
import { GatewayHost } from '../gateway-host.js';
import { type Outcome, again, waitFor } from '../outcome.js';
import type { GatewayRecord } from '../resources.repository.js';
import { StepObserver } from '../steps.js';
import { CANCELLED, endOf, isLooking, newFault, silent } from './upgrade-checks.js';
import { UpgradeHost } from './upgrade-host.js';
import { UpgradePolicies } from './upgrade-policies.js';
import { asJson, recordOf } from './upgrade-record.js';
import { UpgradeRows } from './upgrade-rows.js';

const LOOK_MS = 100;
const CALL_LIMIT = 45_000;
/** The copy of the state takes as long as it is big. */
const KEEP_LIMIT = 170_000;
/** An answer must come well within the time that the phase may last, in seconds. */
const MOST_START_SECONDS = 90;

/**
 * Puts the new image in the place of the old one while nobody reaches its agents, and looks at it before anybody does.
 * Until it has proved itself it only opens what it finds: nothing is run, so going back loses and repeats nothing.
 */
@Injectable()
export class UpgradeSwitch {
  constructor(
    private readonly rows: UpgradeRows,
    private readonly host: GatewayHost,
    private readonly there: UpgradeHost,
    private readonly policies: UpgradePolicies,
    private readonly config: ControlPlaneConfig,
    private readonly steps: StepObserver,
    private readonly clock: Clock,
  ) {}

  async replace(gateway: GatewayRecord, lease: Lease, signal: AbortSignal): Promise<Outcome> {
    const record = recordOf(gateway)!;
    if (gateway.image === record.image) return this.#putAway(gateway, lease, signal);
    await this.host.start(gateway, deadline(CALL_LIMIT, signal));
    this.steps.reached('gateway', gateway.phase, 'started');
    await this.rows.save(gateway, lease, { phase: 'verifying' });
    return again;
  }

  /** Stopped, its state kept, and only then the row says the new image: a crash before leaves the old one in force. */
  async #putAway(gateway: GatewayRecord, lease: Lease, signal: AbortSignal): Promise<Outcome> {
    const record = recordOf(gateway)!;
    if (!gateway.targetImage) {
      await this.rows.undo(gateway, lease, CANCELLED);
      return again;
    }
    await this.there.silence(gateway, lease, signal);
    this.steps.reached('gateway', gateway.phase, 'silenced');
    await this.host.stop(gateway, deadline(CALL_LIMIT, signal));
    this.steps.reached('gateway', gateway.phase, 'stopped');
    await this.keep(gateway, record.snapshot, signal);
    await this.rows.switched(gateway, lease, record, record.to);
    return again;
  }

  async keep(gateway: GatewayRecord, snapshot: string, signal: AbortSignal): Promise<void> {
    const limit = deadline(KEEP_LIMIT, signal);
    await (await this.host.driver(gateway, limit)).keepState(gateway.id, snapshot, limit);
    this.steps.reached('gateway', gateway.phase, 'kept');
  }

  async verify(gateway: GatewayRecord, lease: Lease, signal: AbortSignal): Promise<Outcome> {
    const record = recordOf(gateway)!;
    const call = deadline(CALL_LIMIT, signal);
    const state = await this.host.inspect(gateway, call);
    if (state.status !== 'running' || state.generation !== Number(gateway.generation)) {
      await this.rows.undo(gateway, lease, endOf(state));
      return again;
    }
    const status = await this.host.probe(gateway.id, state.address, call);
    if (!status) return this.#unanswered(gateway, lease);
    if (record.state === 'proved') return this.#open(gateway, lease, state.address, call);
    if (!record.watched) {
      await this.there.configureSilently(gateway, state.address, lease, call);
      const watched = { startedAt: state.startedAt, since: this.clock.now().toISOString() };
      await this.rows.save(gateway, lease, { data: { rollback: asJson({ ...record, watched }) } });
      return again;
    }
    const restarted = record.watched.startedAt === state.startedAt ? undefined : RESTARTED;
    const fault = restarted ?? newFault(status, record.faulty ?? []);
    if (fault) {
      await this.rows.undo(gateway, lease, fault);
      return again;
    }
    return isLooking(status) ? waitFor(LOOK_MS) : this.#watch(gateway, lease, record.watched.since);
  }

  /** Well so far, but not for long enough. */
  async #watch(gateway: GatewayRecord, lease: Lease, since: string): Promise<Outcome> {
    const age = this.clock.now().getTime() - Date.parse(since);
    const left = (await this.policies.verifySeconds(gateway)) * 1_000 - age;
    if (left > 0) return waitFor(Math.min(left, LOOK_MS * 2));
    await this.rows.save(gateway, lease, { data: { rollback: asJson({ ...recordOf(gateway)!, state: 'proved' }) } });
    return again;
  }

  async #unanswered(gateway: GatewayRecord, lease: Lease): Promise<Outcome> {
    const seconds = Math.min(this.config.gatewayStartSeconds, MOST_START_SECONDS);
    const age = this.clock.now().getTime() - gateway.phaseSince.getTime();
    if (age < seconds * 1_000) return waitFor(0);
    await this.rows.undo(gateway, lease, silent(seconds));
    return again;
  }

  /** Its real configuration first: it goes on with what was left pending, and then takes new work. */
  async #open(gateway: GatewayRecord, lease: Lease, address: GatewayAddress, signal: AbortSignal): Promise<Outcome> {
    const observed = await this.host.configure(gateway, address, lease.fence, signal);
    this.steps.reached('gateway', gateway.phase, 'configured');
    await this.rows.opened(gateway, lease, address, observed);
    return again;
  }
}

const RESTARTED = {
  code: 'gateway-restarted',
  message: 'The new image ended and was started again while it was looked at.',
};
