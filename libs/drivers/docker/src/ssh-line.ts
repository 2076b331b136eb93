import { createHash } from 'node:crypto';
import { Agent } from 'node:http';
import { connect as connectTcp, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { callbackify } from 'node:util';
import { DriverError } from '#libs/drivers/core';
import ssh2 from 'ssh2';

export interface SshAddress {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  /** Private key, PEM or OpenSSH, without a passphrase. */
  readonly key: string;
  /** The only host key that is talked to, as `ssh-keygen -lf` prints it: `SHA256:...`. */
  readonly hostKey: string;
  /** The engine's socket on the other machine. */
  readonly socketPath: string;
}

interface Line {
  readonly client: ssh2.Client;
  readonly sock: Socket;
}

/** Milliseconds: for the handshake, and between two signs of life, of which three may be missing. */
const PATIENCE = { readyTimeout: 8_000, keepaliveInterval: 10_000, keepaliveCountMax: 3 } as const;
const IDLE = 30_000;
/** RFC 4254: the server forbids what was asked for, and says so. */
const PROHIBITED = 1;

type Done = (error: Error | null, stream: Duplex) => void;

/**
 * One SSH connection to an engine's machine; each call of the engine is a channel in it to the engine's socket. The other
 * side needs no docker command, only an SSH server that forwards to sockets. Connects when there is something to say, again
 * after it was cut, and ends when it was silent for a while.
 */
export class SshLine extends Agent {
  #line: Promise<Line> | undefined;
  #channels = 0;
  #idle: NodeJS.Timeout | undefined;

  constructor(private readonly at: SshAddress) {
    super({ keepAlive: false });
  }

  override createConnection(_options: object, done?: Done): undefined {
    if (done) callbackify(() => this.#channel())(done);
  }

  async #channel(): Promise<Duplex> {
    this.#channels += 1;
    clearTimeout(this.#idle);
    try {
      this.#line ??= this.#connect();
      const { client, sock } = await this.#line;
      sock.ref();
      const channel = await forward(client, this.at);
      channel.once('close', () => this.#closed());
      return channel;
    } catch (error) {
      this.#closed();
      throw error;
    }
  }

  #closed(): void {
    this.#channels -= 1;
    if (this.#channels > 0) return;
    const line = this.#line;
    // An open line that nobody uses keeps no process from ending, and is closed after a while.
    void line?.then(({ sock }) => this.#channels > 0 || sock.unref(), ignored);
    this.#idle = setTimeout(() => void line?.then(({ client }) => client.end(), ignored), IDLE).unref();
  }

  #connect(): Promise<Line> {
    const { host, port, user, key, hostKey } = this.at;
    const client = new ssh2.Client();
    const sock = connectTcp({ host, port });
    let offered = '';
    const forget = () => (this.#line = undefined);
    return new Promise((resolve, reject) => {
      // Before it is ready this is the answer; later it only ends the channels, which tell their callers.
      client.on('error', (error) => {
        forget();
        sock.destroy();
        reject(failureOf(error, this.at, offered));
      });
      client.once('close', forget);
      client.once('ready', () => resolve({ client, sock }));
      const hostVerifier = (presented: Buffer): boolean => (offered = fingerprint(presented)) === plain(hostKey);
      client.connect({ sock, username: user, privateKey: key, hostVerifier, ...PATIENCE });
    });
  }
}

/** Who waits for a line hears of its failure; who only tidies up does not mind. */
const ignored = (): void => undefined;

const forward = (client: ssh2.Client, at: SshAddress): Promise<Duplex> =>
  new Promise((resolve, reject) => {
    client.openssh_forwardOutStreamLocal(at.socketPath, (error, channel) => {
      if (error) reject(refusalOf(error as Error & { reason?: number }, at));
      else resolve(channel);
    });
  });

const fingerprint = (key: Buffer): string => `SHA256:${plain(createHash('sha256').update(key).digest('base64'))}`;

const plain = (text: string): string => text.replace(/=+$/, '');

/** OpenSSH gives one answer for "nobody listens there", "not yours" and "I forward nothing": the sentence names all three. */
function refusalOf(error: Error & { reason?: number }, { host, user, socketPath }: SshAddress): DriverError {
  const message = `No engine answers at ${socketPath} on ${host}. Check that it runs, that ${user} may use its socket, and that the SSH server allows AllowTcpForwarding and AllowStreamLocalForwarding.`;
  const forbidden = error.reason === PROHIBITED;
  return new DriverError(forbidden ? 'engine-refused' : 'engine-unreachable', message, !forbidden, { cause: error });
}

function failureOf(error: Error & { level?: string }, at: SshAddress, offered: string): DriverError {
  const { host, port, user, hostKey } = at;
  const options = { cause: error };
  if (offered !== '' && offered !== plain(hostKey)) {
    const message = `${host} shows the SSH host key ${offered}, and ${hostKey} is pinned. Somebody may stand in between; set the new one only when you know why it changed.`;
    return new DriverError('engine-refused', message, false, options);
  }
  if (error.level === 'client-authentication') {
    const message = `The SSH server ${host} does not accept the key for ${user}; add it to the user's authorized keys.`;
    return new DriverError('engine-refused', message, false, options);
  }
  const reason = (error as NodeJS.ErrnoException).code ?? error.message;
  const message = `The SSH server ${host}:${port} cannot be reached (${reason}). Check its address and that it runs.`;
  return new DriverError('engine-unreachable', message, true, options);
}
