import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import type { TestDatabase } from '#libs/testing';

/** Where something lies that must not be there. Says which secret and which place, never the secret. */
export interface Finding {
  readonly secret: string;
  readonly encoding: string;
  readonly place: string;
}

/** Every way that a careless line of code could write a value down. */
function encodingsOf(value: string): Map<string, Buffer> {
  const bytes = Buffer.from(value);
  const base64 = bytes.toString('base64').replace(/=+$/, '');
  const forms: [string, string][] = [
    ['plain', value],
    ['base64', base64],
    ['base64url', bytes.toString('base64url')],
    ['hex', bytes.toString('hex')],
    ['HEX', bytes.toString('hex').toUpperCase()],
    ['url', encodeURIComponent(value)],
    ['json', JSON.stringify(value).slice(1, -1)],
    ['reversed', [...value].toReversed().join('')],
  ];
  return new Map(forms.map(([name, text]) => [name, Buffer.from(text)]));
}

/** Looks for planted secrets in whatever it is shown. */
export class CanaryHunt {
  readonly #planted = new Map<string, Map<string, Buffer>>();
  readonly findings: Finding[] = [];
  /** Bytes looked at: a hunt that saw nothing proves nothing. */
  bytes = 0;

  plant(name: string, value: string): string {
    if (value.length < 12) throw new Error(`the canary ${name} is too short to be told from chance`);
    this.#planted.set(name, encodingsOf(value));
    return value;
  }

  get planted(): number {
    return this.#planted.size;
  }

  look(place: string, content: Buffer | string, except: readonly string[] = []): void {
    const bytes = Buffer.isBuffer(content) ? content : Buffer.from(content);
    this.bytes += bytes.length;
    for (const [secret, encodings] of this.#planted) {
      if (except.includes(secret)) continue;
      for (const [encoding, form] of encodings) {
        if (bytes.includes(form)) {
          this.findings.push({ secret, encoding, place });
          break;
        }
      }
    }
  }

  /** Every file below a folder, but those whose path matches `skip`. */
  async lookInFolder(folder: string, skip: RegExp): Promise<number> {
    let files = 0;
    const entries = await readdir(folder, { withFileTypes: true, recursive: true });
    for (const entry of entries) {
      const path = join(entry.parentPath, entry.name);
      const name = relative(folder, path);
      if (!entry.isFile() || skip.test(name)) continue;
      this.look(`file ${name}`, await readFile(path).catch(() => ''));
      files += 1;
    }
    return files;
  }

  /** Every row of every table, as a dump would show it: bytes in hex. */
  async lookInDatabase(database: TestDatabase): Promise<number> {
    const tables = await database.query<{ name: string }>(
      `SELECT table_name AS name FROM information_schema.tables WHERE table_schema = 'public' AND table_type = 'BASE TABLE'`,
    );
    for (const { name } of tables) {
      const rows = await database.query<{ row: string }>(`SELECT to_jsonb(t)::text AS row FROM "${name}" t`);
      for (const { row } of rows) this.look(`table ${name}`, row);
    }
    return tables.length;
  }
}

/** A value that nothing else in the world has, but the same in every run of one test. */
export const canary = (name: string): string =>
  `canary-${name}-${createHash('sha256').update(`${name}/${process.pid}`).digest('base64url').slice(0, 24)}`;
