import { Injectable } from '@nestjs/common';
import type { Lease } from '#libs/database';
import { backoff, deadline } from '#libs/kernel';
import { GatewayHost } from '../gateway-host.js';
import { type Outcome, again, waitFor } from '../outcome.js';
import type { GatewayRecord } from '../resources.repository.js';
import { StepObserver } from '../steps.js';
import { RehearsalCopy } from './rehearsal-copy.js';
import { CANCELLED } from './upgrade-checks.js';
import { UpgradeHost } from './upgrade-host.js';
import { isUnfinished, recordOf, type UpgradeRecord } from './upgrade-record.js';
import { TOOK_TOO_LONG, UpgradeRows } from './upgrade-rows.js';

const CALL_LIMIT = 45_000;
/** The copy of the state takes as long as it is big. */
const RESTORE_LIMIT = 170_000;

/** Takes an upgrade back: image and state of before, and whoever waited may come back. */
@Injectable()
export class UpgradeReturn {
  constructor(
    private readonly rows: UpgradeRows,
    private readonly host: GatewayHost,
    private readonly there: UpgradeHost,
    private readonly copies: RehearsalCopy,
    private readonly steps: StepObserver,
  ) {}

  async continue(gateway: GatewayRecord, lease: Lease, signal: AbortSignal): Promise<Outcome> {
    if (await this.copies.discard(gateway, lease, deadline(CALL_LIMIT, signal)))
      this.steps.reached('gateway', gateway.phase, 'copy-removed');
    const record = recordOf(gateway);
    if (!record || !isUnfinished(gateway)) return this.#untouched(gateway, lease, signal);
    if (gateway.image !== record.image) return this.#restore(gateway, record, lease, signal);
    return this.#start(gateway, record, lease, signal);
  }

  /** It never got further than a rehearsal, and that was not the end of it. */
  async #untouched(gateway: GatewayRecord, lease: Lease, signal: AbortSignal): Promise<Outcome> {
    const running = await this.there.look(gateway, deadline(CALL_LIMIT, signal));
    const fault = gateway.targetImage ? TOOK_TOO_LONG : CANCELLED;
    await this.rows.givenUp(gateway, lease, running ? 'ready' : 'creating', fault);
    return again;
  }

  /** The row says the old image only after the old state is back: until then nothing of the old image runs on the new one's. */
  async #restore(gateway: GatewayRecord, record: UpgradeRecord, lease: Lease, signal: AbortSignal): Promise<Outcome> {
    await this.host.remove(gateway, deadline(CALL_LIMIT, signal));
    this.steps.reached('gateway', gateway.phase, 'stopped');
    const limit = deadline(RESTORE_LIMIT, signal);
    await (await this.host.driver(gateway, limit)).restoreState(gateway.id, record.snapshot, limit);
    this.steps.reached('gateway', gateway.phase, 'restored');
    const fault = record.fault ?? TOOK_TOO_LONG;
    await this.rows.switched(gateway, lease, { ...record, state: 'undone', fault }, record.image);
    return again;
  }

  async #start(gateway: GatewayRecord, record: UpgradeRecord, lease: Lease, signal: AbortSignal): Promise<Outcome> {
    const call = deadline(CALL_LIMIT, signal);
    const state = await this.host.inspect(gateway, call);
    if (state.status !== 'running' || state.generation !== Number(gateway.generation)) {
      await this.host.start(gateway, call);
      this.steps.reached('gateway', gateway.phase, 'started');
      await this.rows.save(gateway, lease, { data: { failures: { increment: 1 } } });
      return gateway.failures < 2 ? again : waitFor(backoff(gateway.failures, 500, 15_000));
    }
    const running = await this.there.look(gateway, call);
    if (!running) return waitFor(0);
    const observed = await this.host.configure(gateway, running.address, lease.fence, call);
    this.steps.reached('gateway', gateway.phase, 'configured');
    await (await this.host.driver(gateway, call)).dropState(gateway.id, record.snapshot, call);
    this.steps.reached('gateway', gateway.phase, 'dropped');
    await this.rows.restored(gateway, lease, running.address, observed);
    return again;
  }
}
