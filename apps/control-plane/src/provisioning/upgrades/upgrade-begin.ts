import { Injectable } from '@nestjs/common';
import type { Lease } from '#libs/database';
import { Clock, deadline } from '#libs/kernel';
import { GatewayHost } from '../gateway-host.js';
import { type Outcome, again, settled, waitFor } from '../outcome.js';
import { type GatewayRecord, ResourcesRepository } from '../resources.repository.js';
import { StepObserver } from '../steps.js';
import { RehearsalCopy } from './rehearsal-copy.js';
import { CANCELLED, type Fault, faultyIn } from './upgrade-checks.js';
import { type Running, UpgradeHost } from './upgrade-host.js';
import { asJson, recordOf, snapshotName, type UpgradeRecord } from './upgrade-record.js';
import { UpgradeRehearsal } from './upgrade-rehearsal.js';
import { UpgradeRows } from './upgrade-rows.js';
import { UpgradeSwitch } from './upgrade-switch.js';

const LOOK_MS = 200;
const CALL_LIMIT = 45_000;
/** Running answers may end before a rehearsed gateway is replaced, for this long; then they are cut off and put back. */
const QUIET_MS = 20_000;

/** Everything of an upgrade that happens while the gateway goes on serving. */
@Injectable()
export class UpgradeBegin {
  constructor(
    private readonly resources: ResourcesRepository,
    private readonly rows: UpgradeRows,
    private readonly host: GatewayHost,
    private readonly there: UpgradeHost,
    private readonly copies: RehearsalCopy,
    private readonly rehearsal: UpgradeRehearsal,
    private readonly change: UpgradeSwitch,
    private readonly steps: StepObserver,
    private readonly clock: Clock,
  ) {}

  async begin(gateway: GatewayRecord, lease: Lease, signal: AbortSignal): Promise<Outcome> {
    const call = deadline(CALL_LIMIT, signal);
    const image = await (await this.host.driver(gateway, call)).resolveImage(gateway.targetImage!, call);
    if (image !== gateway.targetImage) {
      await this.rows.save(gateway, lease, { data: { targetImage: image } });
      return again;
    }
    if (image === gateway.image) {
      await this.rows.settled(gateway, lease);
      return again;
    }
    await this.#dropOlder(gateway, signal);
    if (gateway.phase === 'suspended') return this.#asleep(gateway, lease, signal);
    const running = gateway.phase === 'ready' ? await this.there.look(gateway, call) : undefined;
    if (!running) return this.#unrehearsed(gateway, lease, signal);
    const reserved = await this.resources.asGateway(lease, async (tx) => {
      const free = await this.copies.reserve(tx, gateway, image);
      if (free) await this.resources.changeGateway(tx, gateway, { phase: 'rehearsing' });
      return free;
    });
    return reserved ? again : waitFor(1_000);
  }

  async rehearse(gateway: GatewayRecord, lease: Lease, signal: AbortSignal): Promise<Outcome> {
    if (!gateway.targetImage) return this.giveUp(gateway, lease, CANCELLED, signal);
    const call = deadline(CALL_LIMIT, signal);
    const running = await this.there.look(gateway, call);
    if (!running) return this.#interrupted(gateway, lease, call);
    if (gateway.observedConfig < gateway.configGeneration) return this.#configure(gateway, lease, running, call);
    const copy = await this.copies.find(gateway);
    if (copy?.image !== gateway.targetImage) return this.#reserveAgain(gateway, lease, call);
    const result = await this.rehearsal.step(gateway, copy, running.status, lease, signal);
    if (result === 'again') return again;
    if (result === 'wait') return waitFor(LOOK_MS);
    if (result !== 'passed') return this.giveUp(gateway, lease, result, signal);
    if (this.#isAnswering(gateway, running)) return waitFor(LOOK_MS);
    await this.#endRehearsal(gateway, lease, call);
    await this.rows.hold(gateway, lease, this.#record(gateway, faultyIn(running.status)));
    return again;
  }

  /** It is as it was before, and goes on. */
  async giveUp(gateway: GatewayRecord, lease: Lease, fault: Fault, signal: AbortSignal): Promise<Outcome> {
    await this.#endRehearsal(gateway, lease, deadline(CALL_LIMIT, signal));
    await this.rows.givenUp(gateway, lease, 'ready', fault);
    return again;
  }

  async #endRehearsal(gateway: GatewayRecord, lease: Lease, signal: AbortSignal): Promise<void> {
    if (await this.copies.discard(gateway, lease, signal)) this.steps.reached('gateway', gateway.phase, 'copy-removed');
  }

  /** It does not serve, so there is nothing to rehearse from and nobody to be disturbed; its state is kept all the same. */
  async #unrehearsed(gateway: GatewayRecord, lease: Lease, signal: AbortSignal): Promise<Outcome> {
    if (gateway.observedGeneration === 0n) return this.#fresh(gateway, lease);
    await this.#endRehearsal(gateway, lease, deadline(CALL_LIMIT, signal));
    await this.rows.hold(gateway, lease, this.#record(gateway, []));
    return again;
  }

  /** It never served: it has no state that another image could harm. */
  async #fresh(gateway: GatewayRecord, lease: Lease): Promise<Outcome> {
    await this.rows.settled(gateway, lease, { image: gateway.targetImage!, generation: { increment: 1n } });
    return again;
  }

  /** It sleeps or is stopped, so that everything it knows is on the disk: it stays asleep, and is looked at when it wakes. */
  async #asleep(gateway: GatewayRecord, lease: Lease, signal: AbortSignal): Promise<Outcome> {
    const image = gateway.targetImage!;
    if (gateway.observedGeneration === 0n) return this.#fresh(gateway, lease);
    // An upgrade that has not been looked at yet: what it goes back to stays what it was before that one.
    const before = recordOf(gateway);
    const unproved = before?.state === 'open' || before?.state === 'proved';
    const open = unproved ? { ...before, to: image } : { ...this.#record(gateway, []), heldAt: null };
    if (!unproved) await this.change.keep(gateway, open.snapshot, signal);
    await this.rows.settled(gateway, lease, { image, generation: { increment: 1n }, rollback: asJson(open) });
    return settled;
  }

  /** The gateway itself ended meanwhile: it comes back first, and is then upgraded. */
  async #interrupted(gateway: GatewayRecord, lease: Lease, signal: AbortSignal): Promise<Outcome> {
    await this.#endRehearsal(gateway, lease, signal);
    await this.rows.save(gateway, lease, { phase: 'creating' });
    return again;
  }

  /** Its agents come and go as ever while the copy is tried. */
  async #configure(gateway: GatewayRecord, lease: Lease, running: Running, signal: AbortSignal): Promise<Outcome> {
    const observed = await this.host.configure(gateway, running.address, lease.fence, signal);
    this.steps.reached('gateway', gateway.phase, 'configured');
    await this.rows.configured(gateway, lease, observed);
    return again;
  }

  async #reserveAgain(gateway: GatewayRecord, lease: Lease, signal: AbortSignal): Promise<Outcome> {
    await this.copies.discard(gateway, lease, signal);
    const image = gateway.targetImage!;
    const reserved = await this.resources.asGateway(lease, (tx) => this.copies.reserve(tx, gateway, image));
    return reserved ? again : waitFor(1_000);
  }

  /** A moment without a running answer is waited for, within bounds. */
  #isAnswering(gateway: GatewayRecord, { status }: Running): boolean {
    const age = this.clock.now().getTime() - gateway.phaseSince.getTime();
    return age < QUIET_MS && status.agents.some((agent) => agent.activeTasks > 0);
  }

  async #dropOlder(gateway: GatewayRecord, signal: AbortSignal): Promise<void> {
    const older = recordOf(gateway);
    if (older?.state !== 'kept') return;
    const call = deadline(CALL_LIMIT, signal);
    await (await this.host.driver(gateway, call)).dropState(gateway.id, older.snapshot, call);
  }

  #record(gateway: GatewayRecord, faulty: readonly string[]): UpgradeRecord {
    const snapshot = snapshotName(gateway);
    const heldAt = this.clock.now().toISOString();
    return { state: 'open', image: gateway.image, to: gateway.targetImage!, snapshot, heldAt, faulty };
  }
}
