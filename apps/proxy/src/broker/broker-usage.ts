import { delay, SortableIds, SystemClock } from '#libs/kernel';
import type { RouteTable } from '#libs/routing';
import { randomBytes } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Logger } from '../proxy.log.js';
import { LIMITS, TIMES } from '../proxy.limits.js';
import type { ProxyMetrics } from '../proxy.metrics.js';
import type { SignalCounts } from '../signal-counts.js';
import { CallMeter } from './call-meter.js';
import { OutageAllowance } from './quota/outage-allowance.js';
import { QuotaDesk } from './quota/quota-desk.js';
import { QUOTA_TIMES, QuotaLedger } from './quota/quota-ledger.js';
import type { UsageClient } from './usage/usage.client.js';
import { UsageJournal } from './usage/usage-journal.js';
import { UsageShipper } from './usage/usage-shipper.js';

export interface BrokerUsageParts {
  readonly table: RouteTable;
  readonly client: UsageClient;
  readonly signals: SignalCounts;
  readonly metrics: ProxyMetrics;
  readonly log: Logger;
  /** The control plane has not been heard of for a while. */
  readonly away: () => boolean;
  /** This proxy's own folder for what it has to report; no other process may use it. */
  readonly directory: string;
  /** Most bytes of it. */
  readonly journalBytes: number;
}

/** Everything about what model calls take: what is set aside before, written down, reported, and given back. */
export class BrokerUsage {
  readonly #stop = new AbortController();
  #meter: CallMeter | undefined;
  #journal: UsageJournal | undefined;
  #shipper: UsageShipper | undefined;
  #ledger: QuotaLedger | undefined;
  #running: Promise<unknown> = Promise.resolve();
  #sweeper: NodeJS.Timeout | undefined;

  constructor(private readonly parts: BrokerUsageParts) {}

  /** For calls; there is one after `open`. */
  get meter(): CallMeter {
    if (!this.#meter) throw new Error('the usage journal is not open');
    return this.#meter;
  }

  /** Opens the journal, ends what a former process left open, and begins to report. */
  async open(): Promise<void> {
    const { directory, journalBytes, client, log, signals, table, metrics, away } = this.parts;
    await mkdir(directory, { recursive: true, mode: 0o700 });
    const identity = { broker: await brokerId(directory), boot: randomBytes(9).toString('base64url') };
    const limits = {
      total: journalBytes,
      file: LIMITS.journalFile,
      sync: TIMES.journalSync,
      retry: TIMES.journalRetry,
    };
    const journal = await UsageJournal.open(directory, limits, log, () => this.#shipper?.notify());
    const desk = new QuotaDesk(client, identity, log);
    const ids = new SortableIds(new SystemClock());
    const ledger = new QuotaLedger({ desk, newLeaseId: () => ids.next('quotaLease'), log });
    const refusedPath = join(directory, 'refused.jsonl');
    this.#shipper = new UsageShipper({ journal, client, signals, log, refusedPath });
    const outage = new OutageAllowance();
    this.#meter = new CallMeter({ table, ledger, outage, away, journal, signals, metrics, ids });
    [this.#journal, this.#ledger] = [journal, ledger];
    metrics.watchUsage({
      journalBytes: () => journal.bytes,
      openCalls: () => journal.openCalls,
      leases: () => ledger.size,
    });
    this.#sweeper = setInterval(() => void ledger.sweep(), QUOTA_TIMES.sweep).unref();
    this.#running = Promise.all([this.#shipper.run(this.#stop.signal), this.#forgetFormer(desk)]);
  }

  /** All calls have ended: they are reported and leases go back, as far as the control plane answers within a limit. */
  async close(): Promise<void> {
    clearInterval(this.#sweeper);
    const patience = delay(TIMES.lastReport, this.#stop.signal).catch(() => undefined);
    const done = async () => {
      await this.#shipper?.caughtUp();
      await this.#ledger?.close();
    };
    await Promise.race([done(), patience]);
    this.#stop.abort(new Error('the proxy ends'));
    await this.#running;
    await this.#journal?.close();
  }

  /** What a former life of this proxy held of members' days comes back once all of its calls are reported. */
  async #forgetFormer(desk: QuotaDesk): Promise<void> {
    await this.#shipper?.caughtUp();
    const { signal } = this.#stop;
    while (!signal.aborted) {
      try {
        return await desk.forgetFormer();
      } catch {
        // Not reached: the leases run out by themselves anyway, only later.
        await delay(TIMES.journalRetry, signal).catch(() => undefined);
      }
    }
  }
}

/** Names this proxy over restarts; made with its folder. */
async function brokerId(directory: string): Promise<string> {
  const path = join(directory, 'broker');
  try {
    return (await readFile(path, 'utf8')).trim();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
  const made = `brk_${randomBytes(9).toString('base64url')}`;
  await writeFile(path, `${made}\n`, { mode: 0o600 });
  return made;
}
