import { Injectable } from '@nestjs/common';
import type { Lease } from '#libs/database';
import { backoff, deadline } from '#libs/kernel';
import { GatewayHost } from './gateway-host.js';
import { type Outcome, again, settled, waitFor } from './outcome.js';
import { type GatewayPhase, UPGRADING } from './phases.js';
import { LeaseLost, toFailure } from './provisioning.errors.js';
import type { GatewayRecord } from './resources.repository.js';
import { RehearsalCopy } from './upgrades/rehearsal-copy.js';
import { UpgradeBegin } from './upgrades/upgrade-begin.js';
import { CANCELLED } from './upgrades/upgrade-checks.js';
import { isUnfinished, recordOf } from './upgrades/upgrade-record.js';
import { UpgradeReturn } from './upgrades/upgrade-return.js';
import { TOOK_TOO_LONG, UpgradeRows } from './upgrades/upgrade-rows.js';
import { UpgradeSwitch } from './upgrades/upgrade-switch.js';

/** Phases from which an upgrade begins; elsewhere it waits until the gateway is in one of them. */
const BEGINS: readonly string[] = ['ready', 'failed', 'suspended'] satisfies GatewayPhase[];
/** Where an upgrade that a stop or a lost host interrupted is taken up again. */
const RESUMES: readonly string[] = ['creating', 'failed'] satisfies GatewayPhase[];
const TIDY_LIMIT = 45_000;

/**
 * Brings one gateway to another image: rehearsed on copies while it serves, replaced while its routes are held, looked at
 * before they open, and taken back with its data when it is not well.
 */
@Injectable()
export class GatewayUpgrade {
  constructor(
    private readonly begin: UpgradeBegin,
    private readonly change: UpgradeSwitch,
    private readonly back: UpgradeReturn,
    private readonly copies: RehearsalCopy,
    private readonly rows: UpgradeRows,
    private readonly host: GatewayHost,
  ) {}

  /** There is something to do for it before anything else. */
  concerns(gateway: GatewayRecord): boolean {
    if (UPGRADING.includes(gateway.phase)) return true;
    if (gateway.targetImage && BEGINS.includes(gateway.phase)) return true;
    return isUnfinished(gateway) && RESUMES.includes(gateway.phase);
  }

  /** Of a gateway that it concerns; undefined: there is nothing to do. */
  async continue(gateway: GatewayRecord, lease: Lease, signal: AbortSignal): Promise<Outcome | undefined> {
    try {
      return await this.#step(gateway, lease, signal);
    } catch (error) {
      if (error instanceof LeaseLost || signal.aborted) throw error;
      const failure = toFailure(error);
      if (failure.code === 'stale-fence') throw new LeaseLost(gateway.id);
      this.host.noteFailure(gateway, error);
      if (failure.retryable || gateway.phase === 'rolling-back') return this.#later(gateway, lease, failure);
      return this.#refused(gateway, lease, failure, signal);
    }
  }

  /** In this phase it can still be taken back. */
  mayGiveUp(gateway: GatewayRecord): boolean {
    return UPGRADING.includes(gateway.phase) && gateway.phase !== 'rolling-back';
  }

  /** A phase of an upgrade lasted longer than it may. */
  async overdue(gateway: GatewayRecord, lease: Lease): Promise<Outcome> {
    const fault = { ...TOOK_TOO_LONG, message: `The upgrade was ${gateway.phase} for longer than it may.` };
    await this.rows.undo(gateway, lease, fault);
    return again;
  }

  /** Its copy goes with it. */
  async discardCopy(gateway: GatewayRecord, lease: Lease, signal: AbortSignal): Promise<void> {
    await this.copies.discard(gateway, lease, deadline(TIDY_LIMIT, signal));
  }

  tidyCopy(copy: GatewayRecord, lease: Lease): Promise<Outcome> {
    return this.copies.tidy(copy, lease);
  }

  async #step(gateway: GatewayRecord, lease: Lease, signal: AbortSignal): Promise<Outcome | undefined> {
    switch (gateway.phase) {
      case 'rehearsing':
        return this.begin.rehearse(gateway, lease, signal);
      case 'replacing':
        return this.change.replace(gateway, lease, signal);
      case 'verifying':
        return this.change.verify(gateway, lease, signal);
      case 'rolling-back':
        return this.back.continue(gateway, lease, signal);
    }
    return isUnfinished(gateway) && gateway.phase !== 'suspended'
      ? this.#resume(gateway, lease)
      : this.begin.begin(gateway, lease, signal);
  }

  async #resume(gateway: GatewayRecord, lease: Lease): Promise<Outcome> {
    const { state } = recordOf(gateway)!;
    const phase = state === 'undoing' || state === 'undone' ? 'rolling-back' : 'replacing';
    await this.rows.save(gateway, lease, { phase });
    return phase === 'rolling-back' ? waitFor(backoff(gateway.failures, 500, 60_000)) : again;
  }

  /** Something is away: what is under way waits for it, and the phase bounds how long. */
  async #later(gateway: GatewayRecord, lease: Lease, { code, message }: Problem): Promise<Outcome> {
    const condition = { type: 'Upgraded', status: false, reason: code, message };
    await this.rows.save(gateway, lease, { condition, data: { failures: { increment: 1 } } });
    return waitFor(backoff(gateway.failures, 500, 15_000));
  }

  async #refused(gateway: GatewayRecord, lease: Lease, fault: Problem, signal: AbortSignal): Promise<Outcome> {
    if (gateway.phase === 'rehearsing') return this.begin.giveUp(gateway, lease, fault, signal);
    if (UPGRADING.includes(gateway.phase)) await this.rows.undo(gateway, lease, fault);
    else await this.rows.givenUp(gateway, lease, undefined, gateway.targetImage ? fault : CANCELLED);
    return gateway.phase === 'suspended' ? settled : again;
  }
}

interface Problem {
  readonly code: string;
  readonly message: string;
}
