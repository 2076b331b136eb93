import { createHash, timingSafeEqual } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ControlCredentialInvalid } from '../errors.js';

const digest = (text: string): Buffer => createHash('sha256').update(text).digest();

/** What a caller showed: the control credential, or the one that a warm gateway is claimed with. */
export type Caller = 'control' | 'claim';

/** Credentials of the control API. `control` is read for every call: it can be replaced without a restart. */
export class ControlCredential {
  /** Digest of the claim credential; made when it is needed, because a gateway that nobody calls is to stay small. */
  #claim: (() => Buffer) | undefined;

  constructor(private readonly secretsDir: string) {}

  /** Who claimed this gateway in an earlier life, as its configuration remembers. */
  rememberClaim(fingerprint: string): void {
    this.#claim = () => Buffer.from(fingerprint, 'hex');
  }

  /**
   * Reads the file `claim`, once: it may be gone by the time of the claim, because whoever claims replaces the secrets before
   * or after. What is kept of it, its SHA-256 in hex; undefined when there is none.
   */
  async loadClaim(): Promise<(() => string) | undefined> {
    const claim = await this.#read('claim');
    if (!claim) return undefined;
    const digestOfIt = () => digest(claim);
    this.#claim = digestOfIt;
    return () => digestOfIt().toString('hex');
  }

  /** Throws unless the header carries one. Compares digests in constant time: neither content nor length can be probed. */
  async check(header: string | undefined): Promise<Caller> {
    const text = /^Bearer +(\S+) *$/i.exec(header ?? '')?.[1];
    const given = digest(text ?? '');
    const control = await this.#read('control');
    if (text && control && timingSafeEqual(given, digest(control))) return 'control';
    if (text && this.#claim && timingSafeEqual(given, this.#claim())) return 'claim';
    throw new ControlCredentialInvalid();
  }

  /** Without a file there is no credential, and every call is refused. */
  async #read(name: Caller): Promise<string> {
    try {
      return (await readFile(join(this.secretsDir, name), 'utf8')).trim();
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return '';
      throw error;
    }
  }
}
