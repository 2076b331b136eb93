import { readFile } from 'node:fs/promises';
import type { VaultTransitConfig } from '#libs/config';
import { backoff, delay } from '#libs/kernel';
import { VaultRefused, VaultUnavailable } from '../secrets.errors.js';

/** One attempt, in milliseconds. */
const ATTEMPT_LIMIT = 5_000;
const ATTEMPTS = 4;
const PAUSE = { base: 100, cap: 2_000 };
/** Vault's answers are a few hundred bytes. */
const MAX_ANSWER = 64 * 1024;
/** Sealed, standby, overloaded, or not yet as far as another node: the next attempt may reach a better moment. */
const TRANSIENT: ReadonlySet<number> = new Set([412, 429, 472, 473, 500, 502, 503, 504]);

type Operation = 'encrypt' | 'decrypt' | 'rewrap';

/**
 * The HTTP API of Vault's (or OpenBao's) transit engine: the part that wraps keys. Every call ends within about 25 s; only
 * faults that another attempt can mend are tried again, and all operations may be repeated safely.
 */
export class VaultTransitClient {
  constructor(
    private readonly config: VaultTransitConfig,
    private readonly times: { readonly attempt: number; readonly pause: typeof PAUSE } = {
      attempt: ATTEMPT_LIMIT,
      pause: PAUSE,
    },
  ) {}

  async encrypt(plain: Buffer): Promise<string> {
    return this.#field('encrypt', { plaintext: plain.toString('base64') }, 'ciphertext');
  }

  async decrypt(ciphertext: string): Promise<Buffer> {
    return Buffer.from(await this.#field('decrypt', { ciphertext }, 'plaintext'), 'base64');
  }

  /** Under the newest version of the key, without showing what is inside. */
  async rewrap(ciphertext: string): Promise<string> {
    return this.#field('rewrap', { ciphertext }, 'ciphertext');
  }

  /** A new version of the key. Not tried again: an answer that got lost may have been a rotation. */
  async rotate(): Promise<void> {
    const { mount, key } = this.config;
    await this.#attempt(`${mount}/keys/${key}/rotate`, {});
  }

  async #field(operation: Operation, body: object, field: string): Promise<string> {
    const { mount, key } = this.config;
    const answer = await this.#call(`${mount}/${operation}/${key}`, body);
    const value = (answer as { data?: Record<string, unknown> } | undefined)?.data?.[field];
    if (typeof value !== 'string' || value === '')
      throw new VaultRefused(`Vault's answer to ${operation} has no ${field}. Is WIREBOT_VAULT_ADDR a Vault?`);
    return value;
  }

  async #call(path: string, body: object): Promise<unknown> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await this.#attempt(path, body);
      } catch (error) {
        if (!(error instanceof VaultUnavailable) || attempt === ATTEMPTS) throw error;
        await delay(backoff(attempt, this.times.pause.base, this.times.pause.cap));
      }
    }
  }

  async #attempt(path: string, body: object): Promise<unknown> {
    const { address, namespace } = this.config;
    let response: Response;
    let text: string;
    try {
      response = await fetch(`${address}/v1/${path}`, {
        method: 'POST',
        headers: {
          'content-type': 'application/json',
          'x-vault-request': 'true',
          'x-vault-token': await this.#token(),
          ...(namespace ? { 'x-vault-namespace': namespace } : {}),
        },
        body: JSON.stringify(body),
        // A token must not follow a redirect to another machine.
        redirect: 'manual',
        signal: AbortSignal.timeout(this.times.attempt),
      });
      text = await limitedText(response);
    } catch (cause) {
      if (cause instanceof VaultRefused) throw cause;
      throw new VaultUnavailable(reasonOf(cause), { cause });
    }
    if (response.ok) return parse(text);
    throw this.#fault(response.status, text);
  }

  #fault(status: number, text: string): VaultRefused | VaultUnavailable {
    const { mount, key } = this.config;
    const said = errorsOf(text);
    if (TRANSIENT.has(status)) return new VaultUnavailable(`status ${status}${said}`);
    if (status >= 300 && status < 400)
      return new VaultRefused('Vault redirects. Set WIREBOT_VAULT_ADDR to the address of the cluster itself.');
    if (status === 403)
      return new VaultRefused(
        `Vault does not let this token use ${mount}/…/${key}${said}. It has expired, or its policy lacks "update" on ` +
          `${mount}/encrypt/${key}, ${mount}/decrypt/${key}, ${mount}/rewrap/${key} and ${mount}/keys/${key}/rotate.`,
      );
    if (status === 404)
      return new VaultRefused(
        `Vault has no ${mount}/…/${key}. Enable the engine (vault secrets enable -path=${mount} transit) and make the key ` +
          `(vault write -f ${mount}/keys/${key}), or correct WIREBOT_VAULT_TRANSIT_MOUNT, _KEY and WIREBOT_VAULT_NAMESPACE.`,
      );
    return new VaultRefused(`Vault refused with status ${status}${said}.`);
  }

  async #token(): Promise<string> {
    const { token } = this.config;
    if ('value' in token) return token.value;
    try {
      const value = (await readFile(token.file, 'utf8')).trim();
      if (/^[\x21-\x7e]+$/.test(value)) return value;
    } catch (cause) {
      throw new VaultRefused('The file that WIREBOT_VAULT_TOKEN_FILE names cannot be read.', { cause });
    }
    throw new VaultRefused('The file that WIREBOT_VAULT_TOKEN_FILE names holds no token.');
  }
}

async function limitedText(response: Response): Promise<string> {
  const decoder = new TextDecoder();
  let text = '';
  for await (const chunk of response.body ?? []) {
    text += decoder.decode(chunk as Uint8Array, { stream: true });
    if (text.length > MAX_ANSWER) throw new VaultRefused('Vault answered with far too much. Is it a Vault?');
  }
  return text;
}

function parse(text: string): unknown {
  if (text.trim() === '') return undefined;
  try {
    return JSON.parse(text) as unknown;
  } catch (cause) {
    throw new VaultRefused('Vault answered with something that is not JSON. Is WIREBOT_VAULT_ADDR a Vault?', { cause });
  }
}

/** Vault's own words, shortened; they name paths and policies, never what was sent. */
function errorsOf(text: string): string {
  try {
    const { errors } = JSON.parse(text) as { errors?: unknown };
    const said = Array.isArray(errors) ? errors.filter((entry) => typeof entry === 'string').join('; ') : '';
    return said ? ` (${said.replaceAll(/\s+/g, ' ').trim().slice(0, 200)})` : '';
  } catch {
    return '';
  }
}

function reasonOf(error: unknown): string {
  const { name, cause } = error as { name?: string; cause?: { code?: string } };
  if (name === 'TimeoutError') return 'no answer in time';
  return cause?.code ?? name ?? 'no connection';
}
