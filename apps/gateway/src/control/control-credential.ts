import { createHash, timingSafeEqual } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ControlCredentialInvalid } from '../errors.js';

const digest = (text: string): Buffer => createHash('sha256').update(text).digest();

/** The credential of the control API, read for every call: it can be replaced without a restart. */
export class ControlCredential {
  readonly #path: string;

  constructor(secretsDir: string) {
    this.#path = join(secretsDir, 'control');
  }

  /** Throws unless the header carries it. Compares digests in constant time: neither content nor length can be probed. */
  async check(header: string | undefined): Promise<void> {
    const given = /^Bearer +(\S+) *$/i.exec(header ?? '')?.[1];
    const expected = await this.#read();
    if (!given || !expected || !timingSafeEqual(digest(given), digest(expected))) throw new ControlCredentialInvalid();
  }

  /** Without a file there is no credential, and every call is refused. */
  async #read(): Promise<string> {
    try {
      return (await readFile(this.#path, 'utf8')).trim();
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return '';
      throw error;
    }
  }
}
