import { createHash } from 'node:crypto';
import { mkdir, open, readFile, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { checkFrame, type SnapshotFrame } from './route-frame.js';
import { type RouteLog, silentLog } from './route-log.js';

const FORMAT = 1;
/** Changes within this time become one write; the copy on disk is at most this old (milliseconds). */
export const ROUTE_STORE_DELAY = 500;

const digest = (text: string) => createHash('sha256').update(text).digest('hex');

/**
 * The last good route table on disk: a header line `{format, sha256}`, then the snapshot. Written beside and renamed, so
 * that a crash leaves the old copy or the new one, and never half of one.
 */
export class RouteStore {
  #timer: NodeJS.Timeout | undefined;
  #pending: (() => SnapshotFrame | undefined) | undefined;
  #writing: Promise<void> = Promise.resolve();

  constructor(
    private readonly path: string,
    private readonly log: RouteLog = silentLog,
    private readonly delay = ROUTE_STORE_DELAY,
  ) {}

  /** The last good copy; undefined when there is none or it cannot be trusted, which is logged and never thrown. */
  async load(): Promise<SnapshotFrame | undefined> {
    let text: string;
    try {
      text = await readFile(this.path, 'utf8');
    } catch (error) {
      const missing = (error as NodeJS.ErrnoException).code === 'ENOENT';
      this.log(
        missing ? 'info' : 'warn',
        missing ? 'no route table on disk yet' : 'route table on disk cannot be read',
        {
          code: (error as NodeJS.ErrnoException).code,
        },
      );
      return undefined;
    }
    try {
      return this.#decode(text);
    } catch (error) {
      this.log('warn', 'route table on disk is damaged and was ignored', { reason: (error as Error).message });
      return undefined;
    }
  }

  /** Asks for a write of what `source` gives at that time; many calls become one write. */
  save(source: () => SnapshotFrame | undefined): void {
    this.#pending = source;
    this.#timer ??= setTimeout(() => void this.flush(), this.delay);
  }

  /** Writes what is due now. A failure is logged: serving goes on from memory, and the next change tries again. */
  flush(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#writing = this.#writing.then(async () => {
      const snapshot = this.#pending?.();
      this.#pending = undefined;
      if (!snapshot) return;
      try {
        await this.#write(snapshot);
      } catch (error) {
        this.log('warn', 'route table could not be written', { reason: (error as Error).message });
      }
    });
    return this.#writing;
  }

  #decode(text: string): SnapshotFrame {
    const end = text.indexOf('\n');
    const header = JSON.parse(text.slice(0, Math.max(end, 0))) as { format?: unknown; sha256?: unknown };
    const body = text.slice(end + 1);
    if (header.format !== FORMAT) throw new Error('its format is unknown');
    if (header.sha256 !== digest(body)) throw new Error('its checksum does not match');
    const frame = checkFrame(JSON.parse(body));
    if (frame.type !== 'snapshot') throw new Error('it is not a snapshot');
    return frame;
  }

  async #write(snapshot: SnapshotFrame): Promise<void> {
    const body = JSON.stringify(snapshot);
    const directory = dirname(this.path);
    await mkdir(directory, { recursive: true, mode: 0o700 });
    const beside = `${this.path}.${process.pid}.tmp`;
    // Removed first: an old file of that name could carry a wider mode, which open() would keep.
    await rm(beside, { force: true });
    const file = await open(beside, 'wx', 0o600);
    try {
      await file.writeFile(`${JSON.stringify({ format: FORMAT, sha256: digest(body) })}\n${body}`);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(beside, this.path);
    await syncDirectory(directory);
  }
}

/** Makes the rename itself durable. */
async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, 'r');
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}
