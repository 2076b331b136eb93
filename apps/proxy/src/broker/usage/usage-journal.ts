import type { UsageRecordReport } from '#libs/contracts';
import { mkdir } from 'node:fs/promises';
import type { Logger } from '../../proxy.log.js';
import { cutOff, type JournalEntry, toLine } from './journal-line.js';
import { JournalFile, journalFiles } from './journal-file.js';

export interface JournalLimits {
  /** All files together, in bytes: beyond it no call begins any more. */
  readonly total: number;
  /** One file, in bytes. */
  readonly file: number;
  /** What was written is on the disk itself after this long, in milliseconds. */
  readonly sync: number;
  /** Pause after a write that failed, in milliseconds. */
  readonly retry: number;
}

/** The journal takes nothing: its disk is full, or it is as long as it may be. No record, no call. */
export class JournalUnavailable extends Error {}

interface Waiting {
  readonly entry: JournalEntry;
  readonly line: string;
  readonly done?: { resolve: () => void; reject: (error: Error) => void };
}

/**
 * Every model call twice: before it goes out with what it may take at most, and when it has ended with what it took. A
 * process that is killed in between leaves the first line, which its next life reports. Lines are handed to the system in
 * batches before a call goes out (kill -9 loses none) and brought to the disk shortly after (`sync` is what a power cut
 * may lose): waiting for the disk would cost every first token milliseconds. Files are added to, closed, and deleted once
 * the control plane has all of them and no call that began in them is open.
 */
export class UsageJournal {
  readonly #files: JournalFile[] = [];
  /** Open calls by id, with the file that holds their beginning. */
  readonly #open = new Map<string, JournalFile>();
  #waiting: Waiting[] = [];
  #writing: Promise<void> | undefined;
  #last: Promise<unknown> = Promise.resolve();
  #current: JournalFile | undefined;
  #syncTimer: NodeJS.Timeout | undefined;
  #broken = false;
  #number = 0;

  private constructor(
    private readonly directory: string,
    private readonly limits: JournalLimits,
    private readonly log: Logger,
    private readonly onEnd: () => void,
  ) {}

  /** Opens the journal; calls that a former process left open are ended as cut off. */
  static async open(
    directory: string,
    limits: JournalLimits,
    log: Logger,
    onEnd: () => void = () => undefined,
  ): Promise<UsageJournal> {
    await mkdir(directory, { recursive: true, mode: 0o700 });
    const journal = new UsageJournal(directory, limits, log, onEnd);
    await journal.#recover();
    return journal;
  }

  get bytes(): number {
    return this.#files.reduce((sum, file) => sum + file.bytes, 0);
  }

  get openCalls(): number {
    return this.#open.size;
  }

  /** Resolves once a kill of this process cannot lose it; rejects with JournalUnavailable. */
  async begin(record: UsageRecordReport): Promise<void> {
    if (this.#broken || this.bytes >= this.limits.total) throw new JournalUnavailable();
    await new Promise<void>((resolve, reject) => this.#add({ type: 'begin', record }, { resolve, reject }));
  }

  /** Never fails: while the disk takes nothing the line waits, at most one for each call that was open. */
  end(record: UsageRecordReport): void {
    this.#add({ type: 'end', record });
  }

  /** Closed files that hold something to report, oldest first. Closes the current one when it does. */
  async sealed(): Promise<JournalFile[]> {
    await this.#serial(async () => {
      if (this.#current && this.#current.ends > 0) await this.#seal();
    });
    return this.#files.filter((file) => file !== this.#current && !file.reported);
  }

  /** Everything in this file is known to the control plane. */
  async reported(file: JournalFile): Promise<void> {
    file.reported = true;
    await this.#drop(file);
  }

  /** Everything is on the disk and the files are closed. */
  async close(): Promise<void> {
    while (this.#writing && !this.#broken) await this.#writing;
    clearTimeout(this.#syncTimer);
    await this.#serial(() => this.#seal());
  }

  async #recover(): Promise<void> {
    const open = new Map<string, { record: UsageRecordReport; file: JournalFile }>();
    const ended = new Set<string>();
    for (const file of await journalFiles(this.directory)) {
      this.#files.push(file);
      this.#number = file.number;
      for await (const entry of file.entries()) {
        if (entry.type === 'begin') open.set(entry.record.id, { record: entry.record, file });
        else ended.add(entry.record.id);
      }
    }
    for (const id of ended) open.delete(id);
    for (const { record, file } of open.values()) {
      file.open += 1;
      this.#open.set(record.id, file);
      this.end(cutOff(record));
    }
    if (open.size > 0) this.log.warn({ calls: open.size }, 'model calls were cut off with the former process');
  }

  #add(entry: JournalEntry, done?: Waiting['done']): void {
    this.#waiting.push({ entry, line: toLine(entry), ...(done ? { done } : {}) });
    this.#writing ??= this.#write();
  }

  /** Nobody closes a file while somebody writes it. */
  #serial<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#last.then(work);
    this.#last = turn.catch(() => undefined);
    return turn;
  }

  async #seal(): Promise<void> {
    const file = this.#current;
    this.#current = undefined;
    await file?.close();
  }

  /** One batch after the other: whatever came while the last one was written goes with the next. */
  async #write(): Promise<void> {
    await Promise.resolve();
    while (this.#waiting.length > 0) {
      const batch = this.#waiting;
      this.#waiting = [];
      try {
        await this.#serial(async () => {
          const file = await this.#writable();
          await file.append(batch.map(({ line }) => line).join(''));
          this.#broken = false;
          this.#written(file, batch);
        });
      } catch (error) {
        await this.#failed(batch, error as Error);
      }
    }
    // In the same breath as the look at what waits: a line that comes later begins anew, and none is left lying.
    this.#writing = undefined;
  }

  async #writable(): Promise<JournalFile> {
    if (this.#current && this.#current.bytes >= this.limits.file) await this.#seal();
    if (!this.#current) {
      // A number is never used twice: deleting the file that had it before may still be under way.
      this.#number += 1;
      this.#current = await JournalFile.create(this.directory, this.#number);
      this.#files.push(this.#current);
    }
    return this.#current;
  }

  #written(file: JournalFile, batch: readonly Waiting[]): void {
    let ends = 0;
    for (const { entry, done } of batch) {
      const { id } = entry.record;
      if (entry.type === 'begin') {
        file.open += 1;
        this.#open.set(id, file);
      } else {
        ends += 1;
        this.#ended(id);
      }
      done?.resolve();
    }
    file.ends += ends;
    if (ends > 0) this.onEnd();
    this.#syncTimer ??= setTimeout(() => {
      this.#syncTimer = undefined;
      file.sync().catch((error: Error) => this.log.error({ reason: error.message }, 'usage journal not synced'));
    }, this.limits.sync).unref();
  }

  #ended(id: string): void {
    const file = this.#open.get(id);
    if (!file) return;
    this.#open.delete(id);
    file.open -= 1;
    void this.#drop(file);
  }

  /** A file goes once it is reported and no call that began in it is open: their beginnings are needed after a crash. */
  async #drop(file: JournalFile): Promise<void> {
    if (!file.reported || file.open > 0) return;
    const at = this.#files.indexOf(file);
    if (at === -1) return;
    this.#files.splice(at, 1);
    await file
      .delete()
      .catch((error: Error) => this.log.error({ reason: error.message }, 'usage journal file not deleted'));
  }

  /** What has not gone out is refused; what has ended waits for the disk. */
  async #failed(batch: readonly Waiting[], error: Error): Promise<void> {
    if (!this.#broken) this.log.error({ reason: error.message }, 'usage journal cannot be written: no calls begin');
    this.#broken = true;
    // It may hold half a line now: nothing more goes into it.
    await this.#serial(() => this.#seal()).catch(() => undefined);
    for (const { done } of batch) done?.reject(new JournalUnavailable());
    this.#waiting = [...batch.filter(({ done }) => !done), ...this.#waiting];
    await new Promise((resolve) => setTimeout(resolve, this.limits.retry));
    // Refused calls stay refused, and a try without anything to write is how the end of the trouble is noticed.
    this.#broken = this.#waiting.length > 0;
  }
}
