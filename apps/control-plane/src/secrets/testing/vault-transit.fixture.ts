import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

interface Seen {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
}

/** Answered instead of the real thing, once each, in order. */
export type Fault =
  | { readonly status: number; readonly body?: string; readonly headers?: Record<string, string> }
  | 'cut'
  | 'hang'
  /** The work is done, the answer gets lost. */
  | 'lose-answer';

/** Vault's transit engine as far as its HTTP API shows it: one AES-256-GCM key with versions. */
export class VaultTransitServer {
  readonly token = 'hvs.test-token';
  readonly seen: Seen[] = [];
  faults: Fault[] = [];
  url = '';
  #keys: Buffer[] = [randomBytes(32)];
  readonly #server: Server = createServer((req, res) => void this.#handle(req, res));

  async start(): Promise<this> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
    this.url = `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
    return this;
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  async #handle(req: IncomingMessage, res: ServerResponse): Promise<void> {
    let body = '';
    for await (const chunk of req) body += String(chunk);
    this.seen.push({ method: req.method ?? '', path: req.url ?? '', headers: req.headers, body });
    const fault = this.faults.shift();
    if (fault === 'cut') return void req.socket.destroy();
    if (fault === 'hang') return;
    if (typeof fault === 'object') return void res.writeHead(fault.status, fault.headers).end(fault.body ?? '');
    const { status, answer } = this.#answer(req, body);
    if (fault === 'lose-answer') return void req.socket.destroy();
    res.writeHead(status, { 'content-type': 'application/json' });
    res.end(answer === undefined ? undefined : JSON.stringify(answer));
  }

  #answer(req: IncomingMessage, body: string): { status: number; answer?: object } {
    const errors = (status: number, ...list: string[]) => ({ status, answer: { errors: list } });
    if (req.headers['x-vault-token'] !== this.token) return errors(403, '1 error occurred:\n\t* permission denied\n\n');
    if (req.headers['x-vault-namespace'] !== 'team') return errors(404, 'no handler for route');
    const [, operation] = /^\/v1\/transit\/(encrypt|decrypt|rewrap)\/wirebot$/.exec(req.url ?? '') ?? [];
    if (req.url === '/v1/transit/keys/wirebot/rotate') {
      this.#keys.push(randomBytes(32));
      return { status: 200, answer: { data: { latest_version: this.#keys.length } } };
    }
    if (!operation || req.method !== 'POST') return errors(404);
    const given = JSON.parse(body) as { plaintext?: string; ciphertext?: string };
    if (operation === 'encrypt') return this.#encrypted(given.plaintext ?? '');
    const plain = this.#decrypt(given.ciphertext ?? '');
    if (plain === undefined) return errors(400, 'cipher: message authentication failed');
    return operation === 'rewrap' ? this.#encrypted(plain) : { status: 200, answer: { data: { plaintext: plain } } };
  }

  #encrypted(plaintext: string): { status: number; answer: object } {
    const iv = randomBytes(12);
    const cipher = createCipheriv('aes-256-gcm', this.#keys.at(-1)!, iv);
    const bytes = Buffer.concat([iv, cipher.update(plaintext, 'base64'), cipher.final(), cipher.getAuthTag()]);
    const data = {
      ciphertext: `vault:v${this.#keys.length}:${bytes.toString('base64')}`,
      key_version: this.#keys.length,
    };
    return { status: 200, answer: { request_id: 'r', lease_id: '', renewable: false, data } };
  }

  #decrypt(ciphertext: string): string | undefined {
    const [, version, text] = /^vault:v(\d+):(.+)$/.exec(ciphertext) ?? [];
    const key = this.#keys[Number(version) - 1];
    if (!key || !text) return undefined;
    const bytes = Buffer.from(text, 'base64');
    try {
      const decipher = createDecipheriv('aes-256-gcm', key, bytes.subarray(0, 12));
      decipher.setAuthTag(bytes.subarray(-16));
      return Buffer.concat([decipher.update(bytes.subarray(12, -16)), decipher.final()]).toString('base64');
    } catch {
      return undefined;
    }
  }
}
