import { type BeforeApplicationShutdown, Injectable, type OnApplicationBootstrap } from '@nestjs/common';
import { ControlPlaneConfig } from '#libs/config';
import {
  Database,
  dropLeases,
  dueRows,
  type Lease,
  type LeasedTable,
  releaseLease,
  renewLease,
  takeLease,
} from '#libs/database';
import { delay } from '#libs/kernel';
import { type Wake, WakeQueue } from '#libs/queue';
import { FleetWatch } from '../fleet/fleet-watch.js';
import { HostLanes } from '../fleet/host-lanes.js';
import { Log } from '../log.js';
import { AgentReconciler } from './agent-reconciler.js';
import { GatewayReconciler } from './gateway-reconciler.js';
import { Housekeeping } from './housekeeping.js';
import { HeldLease, type Instant, LeaseGuard } from './lease-guard.js';
import { type PassOutcome, ReconcileMetrics } from './metrics/reconcile-metrics.js';
import { LeaseLost } from './provisioning.errors.js';
import { Waker } from './waker.js';

/** Wakes that are taken from the queue at the same time: taking one only puts its row in line. */
const WAKES = 12;
const SWEEP_MS = 1_000;
/** A row that could not be given back, because the database was away, is tried again after this long. */
const RELEASE_AGAIN_MS = 300;
const HOUSEKEEPING_MS = 5_000;
/** How long running passes may take to end when the process stops, in milliseconds. */
const STOP_WAIT_MS = 10_000;

interface Job {
  readonly table: LeasedTable;
  readonly id: string;
}

/**
 * Runs the reconcilers: a wake runs its row at once, the sweep finds whatever is due (a wake that got lost, a back-off
 * that ended, a lease whose holder died). A row never runs twice at a time here; between processes the lease decides.
 */
@Injectable()
export class ReconcileLoop implements OnApplicationBootstrap, BeforeApplicationShutdown {
  readonly #stop = new AbortController();
  readonly #queue: Job[] = [];
  readonly #known = new Map<string, 'queued' | 'running' | 'again'>();
  readonly #timers = new Set<NodeJS.Timeout>();
  #running = 0;
  #disconnect: (() => void) | undefined;
  #background: Promise<unknown>[] = [];

  constructor(
    private readonly config: ControlPlaneConfig,
    private readonly database: Database,
    private readonly agents: AgentReconciler,
    private readonly gateways: GatewayReconciler,
    private readonly housekeeping: Housekeeping,
    private readonly watch: FleetWatch,
    private readonly lanes: HostLanes,
    private readonly guard: LeaseGuard,
    private readonly waker: Waker,
    private readonly wakes: WakeQueue,
    private readonly metrics: ReconcileMetrics,
    private readonly logger: Log,
  ) {}

  async onApplicationBootstrap(): Promise<void> {
    if (!this.config.roles.includes('worker')) return;
    await dropLeases(this.database, this.config.nodeName);
    await this.housekeeping.atStart();
    const { signal } = this.#stop;
    this.#disconnect = this.waker.connect((wake) => this.#wake(wake));
    this.#background = [
      this.wakes.consume(async (wake) => this.#wake(wake), { concurrency: WAKES }, signal),
      this.#forEver('sweep', SWEEP_MS, () => this.#sweep()),
      this.#forEver('housekeeping', HOUSEKEEPING_MS, () => this.housekeeping.run(signal)),
      this.watch.run((id) => this.#enqueue({ table: 'gateways', id }), signal),
    ];
  }

  /** In the hook before the connections are closed, so that running passes can still write what they did. */
  async beforeApplicationShutdown(): Promise<void> {
    this.#stop.abort(new Error('the control plane is stopping'));
    this.#disconnect?.();
    for (const timer of this.#timers) clearTimeout(timer);
    const end = Date.now() + STOP_WAIT_MS;
    while (this.#running > 0 && Date.now() < end) await delay(20);
    await Promise.allSettled(this.#background);
  }

  #wake(wake: Wake): void {
    if (wake.kind === 'agent' || wake.kind === 'gateway') this.#enqueue({ table: `${wake.kind}s`, id: wake.id });
  }

  #enqueue(job: Job): void {
    const state = this.#known.get(job.id);
    if (state === 'running') this.#known.set(job.id, 'again');
    if (state || this.#stop.signal.aborted) return;
    this.#known.set(job.id, 'queued');
    this.#queue.push(job);
    this.#pump();
  }

  #pump(): void {
    while (this.#running < this.lanes.concurrency && this.#queue.length > 0) {
      const job = this.#queue.shift()!;
      this.#running += 1;
      this.#known.set(job.id, 'running');
      void this.#run(job).finally(() => {
        const again = this.#known.get(job.id) === 'again';
        this.#known.delete(job.id);
        this.#running -= 1;
        if (again) this.#enqueue(job);
        this.#pump();
      });
    }
  }

  /** One pass under a lease. Never rejects: what failed is on the row and in the log, and the sweep comes back to it. */
  async #run(job: Job): Promise<void> {
    const since = { monotonic: performance.now(), wall: Date.now() };
    try {
      const lease = await takeLease(this.database, job.table, job.id, this.config.nodeName, this.config.leaseSeconds);
      if (!lease) return;
      this.metrics.taken(job.table, lease.lateMs);
      await this.#pass(job, lease, since);
      this.#measure(job, since, 'done');
    } catch (error) {
      this.#measure(job, since, error instanceof LeaseLost ? 'lost' : 'failed');
      if (error instanceof LeaseLost || this.#stop.signal.aborted) return;
      this.logger.error({ err: error, resource: job.id }, 'reconcile pass failed');
    }
  }

  #measure({ table }: Job, since: Instant, outcome: PassOutcome): void {
    this.metrics.passed(table, outcome, performance.now() - since.monotonic);
  }

  async #pass(job: Job, lease: Lease, since: Instant): Promise<void> {
    const lost = new AbortController();
    const signal = AbortSignal.any([this.#stop.signal, lost.signal]);
    const { leaseSeconds } = this.config;
    const renewal = () => renewLease(this.database, job.table, lease, leaseSeconds);
    const held = new HeldLease(job.id, leaseSeconds, renewal, since);
    const renewing = setInterval(() => void this.#renew(held, lost), (leaseSeconds * 1000) / 3);
    let dueInMs: number | null = SWEEP_MS;
    try {
      const reconciler = job.table === 'agents' ? this.agents : this.gateways;
      dueInMs = await this.guard.run(held, () => reconciler.reconcile(lease, signal));
    } finally {
      clearInterval(renewing);
      const due = await this.#release(job, lease, dueInMs, held);
      if (due) this.#known.set(job.id, 'again');
      else if (dueInMs !== null && dueInMs < SWEEP_MS) this.#later(job, dueInMs);
    }
  }

  /** While the database is away it is tried again, until the lease has run out anyway. */
  async #release(job: Job, lease: Lease, dueInMs: number | null, held: HeldLease): Promise<boolean> {
    for (;;) {
      try {
        return await releaseLease(this.database, job.table, lease, dueInMs);
      } catch (error) {
        if (!held.isFresh || this.#stop.signal.aborted) throw error;
        await delay(RELEASE_AGAIN_MS, this.#stop.signal).catch(() => undefined);
      }
    }
  }

  async #renew(held: HeldLease, lost: AbortController): Promise<void> {
    try {
      if (!(await held.renew())) lost.abort(new LeaseLost(held.id));
    } catch (error) {
      // The database is away; when the lease runs out meanwhile, the fence keeps this pass from writing.
      this.logger.warn({ err: error, resource: held.id }, 'lease not renewed');
    }
  }

  /** Sooner than the sweep would. */
  #later(job: Job, milliseconds: number): void {
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      this.#enqueue(job);
    }, milliseconds);
    this.#timers.add(timer);
  }

  async #sweep(): Promise<void> {
    await this.lanes.refresh();
    for (const table of ['gateways', 'agents'] as const) {
      for (const id of await dueRows(this.database, table, 500)) this.#enqueue({ table, id });
    }
  }

  async #forEver(name: string, everyMs: number, work: () => Promise<void>): Promise<void> {
    while (!this.#stop.signal.aborted) {
      try {
        await work();
      } catch (error) {
        if (!this.#stop.signal.aborted)
          this.logger.warn({ err: error, loop: name }, 'background loop failed; it goes on');
      }
      await delay(everyMs, this.#stop.signal).catch(() => undefined);
    }
  }
}
