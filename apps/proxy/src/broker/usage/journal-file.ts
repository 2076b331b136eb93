import { createReadStream } from 'node:fs';
import { type FileHandle, open, readdir, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fromLine, type JournalEntry } from './journal-line.js';

const NAME = /^usage-(\d{10})\.journal$/;

/** One file of the journal: written by one process, closed, reported, deleted. */
export class JournalFile {
  /** Calls that began here and have not ended. */
  open = 0;
  /** Ends of calls in here, as far as this process wrote them. */
  ends = 0;
  reported = false;
  #handle: FileHandle | undefined;
  #listed = false;

  private constructor(
    readonly path: string,
    readonly number: number,
    public bytes: number,
  ) {}

  static async create(directory: string, number: number): Promise<JournalFile> {
    const file = new JournalFile(pathOf(directory, number), number, 0);
    file.#handle = await open(file.path, 'a', 0o600);
    return file;
  }

  static async existing(directory: string, number: number): Promise<JournalFile> {
    const path = pathOf(directory, number);
    return new JournalFile(path, number, (await stat(path)).size);
  }

  async append(text: string): Promise<void> {
    await this.#handle!.appendFile(text);
    this.bytes += Buffer.byteLength(text);
  }

  async sync(): Promise<void> {
    const handle = this.#handle;
    await handle?.datasync();
    if (this.#listed) return;
    // A file is lost with a power cut until its folder is on the disk too.
    this.#listed = true;
    const folder = await open(dirname(this.path), 'r');
    await folder.sync().finally(() => folder.close());
  }

  async close(): Promise<void> {
    const handle = this.#handle;
    this.#handle = undefined;
    if (!handle) return;
    try {
      await handle.datasync();
    } finally {
      await handle.close();
    }
  }

  async delete(): Promise<void> {
    await this.close();
    await rm(this.path, { force: true });
  }

  /** What it holds; lines that are not whole are passed over. */
  async *entries(): AsyncGenerator<JournalEntry> {
    const lines = createInterface({ input: createReadStream(this.path, 'utf8'), crlfDelay: Infinity });
    for await (const line of lines) {
      const entry = fromLine(line);
      if (entry) yield entry;
    }
  }
}

const pathOf = (directory: string, number: number): string =>
  join(directory, `usage-${String(number).padStart(10, '0')}.journal`);

/** The files that a former process left, oldest first. */
export async function journalFiles(directory: string): Promise<JournalFile[]> {
  const numbers = (await readdir(directory)).flatMap((name) => {
    const match = NAME.exec(name);
    return match ? [Number(match[1])] : [];
  });
  return Promise.all(numbers.sort((a, b) => a - b).map((number) => JournalFile.existing(directory, number)));
}
