import type { UsageRecordReport } from '#libs/contracts';
import { backoff, delay } from '#libs/kernel';
import { appendFile } from 'node:fs/promises';
import type { Logger } from '../../proxy.log.js';
import type { SignalCounts } from '../../signal-counts.js';
import type { JournalFile } from './journal-file.js';
import { ReportRefused, type UsageClient } from './usage.client.js';
import type { UsageJournal } from './usage-journal.js';

const SHIPPING = {
  /** Records in one report. */
  batch: 500,
  /** Ends that come within this time go out together, in milliseconds. */
  gather: 250,
  /** Signals alone are reported this often. */
  idle: 5_000,
  backoff: { base: 500, cap: 15_000 },
} as const;

export interface ShipperParts {
  readonly journal: UsageJournal;
  readonly client: UsageClient;
  readonly signals: SignalCounts;
  readonly log: Logger;
  /** Where records go that the control plane refuses for what they say. */
  readonly refusedPath: string;
}

/** Reports the journal to the control plane, oldest first, again and again until it is acknowledged. */
export class UsageShipper {
  #wake: (() => void) | undefined;
  #woken = false;
  readonly #caughtUp: (() => void)[] = [];

  constructor(private readonly parts: ShipperParts) {}

  /** There is something to report. */
  notify(): void {
    this.#woken = true;
    this.#wake?.();
  }

  /** Resolves once everything that was in the journal when this was called has been reported, or nothing is any more. */
  caughtUp(): Promise<void> {
    return new Promise((resolve) => {
      this.#caughtUp.push(resolve);
      this.notify();
    });
  }

  /** Resolves when the signal aborts, and never rejects. */
  async run(signal: AbortSignal): Promise<void> {
    await this.#runUntil(signal);
    // Nothing goes out any more: nobody may wait for it.
    for (const resolve of this.#caughtUp.splice(0)) resolve();
  }

  async #runUntil(signal: AbortSignal): Promise<void> {
    for (let attempt = 0; !signal.aborted;) {
      try {
        await this.#shipAll(signal);
        attempt = 0;
        await this.#rest(signal);
      } catch (error) {
        if (signal.aborted) return;
        const level = attempt === 0 ? 'warn' : 'debug';
        this.parts.log[level]({ reason: (error as Error).message }, 'usage not reported, trying again');
        await delay(backoff(attempt, SHIPPING.backoff.base, SHIPPING.backoff.cap), signal).catch(() => undefined);
        attempt += 1;
      }
    }
  }

  async #shipAll(signal: AbortSignal): Promise<void> {
    const asked = this.#caughtUp.length;
    this.#woken = false;
    for (const file of await this.parts.journal.sealed()) await this.#ship(file, signal);
    await this.#shipSignals(signal);
    for (const resolve of this.#caughtUp.splice(0, asked)) resolve();
  }

  async #ship(file: JournalFile, signal: AbortSignal): Promise<void> {
    try {
      await this.#shipRecords(file, signal);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
      this.parts.log.error({ path: file.path }, 'a file of the usage journal is gone: somebody else deleted it');
    }
    await this.parts.journal.reported(file);
  }

  async #shipRecords(file: JournalFile, signal: AbortSignal): Promise<void> {
    let batch: UsageRecordReport[] = [];
    for await (const entry of file.entries()) {
      if (entry.type !== 'end') continue;
      batch.push(entry.record);
      if (batch.length < SHIPPING.batch) continue;
      await this.#report(batch, signal);
      batch = [];
    }
    if (batch.length > 0) await this.#report(batch, signal);
  }

  async #report(records: readonly UsageRecordReport[], signal: AbortSignal): Promise<void> {
    try {
      await this.parts.client.report({ records, signals: [] }, signal);
    } catch (error) {
      if (!(error instanceof ReportRefused)) throw error;
      await this.#refused(records, error, signal);
    }
  }

  /** One record that the control plane cannot take must not hold up all others for ever. */
  async #refused(records: readonly UsageRecordReport[], error: ReportRefused, signal: AbortSignal): Promise<void> {
    if (records.length > 1) {
      const half = Math.ceil(records.length / 2);
      await this.#report(records.slice(0, half), signal);
      await this.#report(records.slice(half), signal);
      return;
    }
    await appendFile(this.parts.refusedPath, `${JSON.stringify({ refused: error.code, record: records[0] })}\n`, {
      mode: 0o600,
    });
    this.parts.log.error({ call: records[0]?.id, code: error.code }, 'usage record refused; it is kept beside');
  }

  /** At most once: counted twice they could cost a member trust that they did not lose. */
  async #shipSignals(signal: AbortSignal): Promise<void> {
    const signals = this.parts.signals.take();
    if (signals.length > 0) await this.parts.client.report({ records: [], signals }, signal);
  }

  async #rest(signal: AbortSignal): Promise<void> {
    if (!this.#woken) {
      const woken = new Promise<void>((resolve) => (this.#wake = resolve));
      const done = new AbortController();
      const idle = delay(SHIPPING.idle, AbortSignal.any([signal, done.signal])).catch(() => undefined);
      await Promise.race([woken, idle]);
      done.abort(new Error('woken'));
      this.#wake = undefined;
    }
    if (this.#caughtUp.length === 0) await delay(SHIPPING.gather, signal).catch(() => undefined);
  }
}
