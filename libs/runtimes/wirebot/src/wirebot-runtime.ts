import { Readable } from 'node:stream';
import type { ArchiveManifest, ConfigApplied, GatewayConfig, GatewayStatus, SuspendAnswer } from '#libs/contracts';
import { deadline } from '#libs/kernel';
import { type GatewayEndpoint, GatewayRuntime, RuntimeError } from '#libs/runtimes/core';
import { Agent, type Dispatcher, request } from 'undici';

/** Longest waits, in milliseconds. */
const STATUS_TIMEOUT = 2_000;
const CALL_TIMEOUT = 10_000;
const TRANSFER_TIMEOUT = 600_000;

/** Largest answers, in bytes: a gateway is not trusted to keep to them. */
const MOST_ANSWER = 4 * 1024 * 1024;
const MOST_MANIFEST = 40 * 1024 * 1024;
const MOST_PROBLEM = 64 * 1024;
/** Characters. */
const MOST_DETAIL = 1_000;

interface Call {
  readonly method: 'GET' | 'PUT' | 'POST' | 'DELETE';
  readonly path: string;
  readonly body?: string | Readable;
  readonly type?: string;
  readonly timeout: number;
  /** Bytes of the answer; MOST_ANSWER by default. */
  readonly most?: number;
  readonly signal: AbortSignal;
}

/** Speaks the control API of Wirebot's own gateway (libs/contracts, gateway.ts). */
export class WirebotRuntime extends GatewayRuntime {
  readonly name = 'wirebot';
  /** Kept connections: a configuration push is then one round trip. */
  readonly #agent = new Agent({ connections: 4, keepAliveTimeout: 10_000, connect: { timeout: 1_000 } });

  async status(at: GatewayEndpoint, signal: AbortSignal): Promise<GatewayStatus> {
    return this.#json(at, { method: 'GET', path: '/control/status', timeout: STATUS_TIMEOUT, signal });
  }

  async apply(
    at: GatewayEndpoint,
    config: GatewayConfig,
    drainMs: number,
    signal: AbortSignal,
  ): Promise<ConfigApplied> {
    return this.#json(at, {
      method: 'PUT',
      path: `/control/config?drainMs=${drainMs}`,
      body: JSON.stringify(config),
      type: 'application/json',
      timeout: CALL_TIMEOUT + drainMs,
      signal,
    });
  }

  async claim(at: GatewayEndpoint, config: GatewayConfig, signal: AbortSignal): Promise<ConfigApplied> {
    return this.#post(at, '/control/claim', config, signal);
  }

  async suspend(at: GatewayEndpoint, fence: bigint, signal: AbortSignal): Promise<SuspendAnswer> {
    return this.#post(at, '/control/suspend', { fence: Number(fence) }, signal);
  }

  async resume(at: GatewayEndpoint, fence: bigint, signal: AbortSignal): Promise<GatewayStatus> {
    return this.#post(at, '/control/resume', { fence: Number(fence) }, signal);
  }

  async snapshotAgent(at: GatewayEndpoint, agentId: string, signal: AbortSignal): Promise<Readable | undefined> {
    return this.#export(at, `/control/agents/${agentId}/snapshot`, signal);
  }

  async importAgent(
    at: GatewayEndpoint,
    agentId: string,
    archive: Readable,
    of: string | undefined,
    signal: AbortSignal,
  ): Promise<ArchiveManifest> {
    const path = `/control/agents/${agentId}/archive${of === undefined ? '' : `?of=${of}`}`;
    const type = 'application/x-tar';
    const most = MOST_MANIFEST;
    return this.#json(at, { method: 'PUT', path, body: archive, type, timeout: TRANSFER_TIMEOUT, signal, most });
  }

  async copyAgent(
    from: GatewayEndpoint,
    to: GatewayEndpoint,
    agentId: string,
    signal: AbortSignal,
  ): Promise<ArchiveManifest> {
    const source = await this.#export(from, `/control/agents/${agentId}/archive`, signal);
    // An agent's folder is made when it first speaks: one that never did has nothing to carry.
    if (!source) return { agentId, createdAt: new Date().toISOString(), files: [] };
    return this.importAgent(to, agentId, source, undefined, signal);
  }

  async #export(from: GatewayEndpoint, path: string, signal: AbortSignal): Promise<Readable | undefined> {
    try {
      const body = await this.#call(from, { method: 'GET', path, timeout: TRANSFER_TIMEOUT, signal });
      const archive = Readable.from(unbroken(body, signal), { objectMode: false });
      // Also when nobody ever reads it: the gateway holds the folder as long as it sends.
      return archive.once('close', () => body.destroy());
    } catch (error) {
      if (error instanceof RuntimeError && error.code === 'agent-not-found') return undefined;
      throw error;
    }
  }

  async removeAgent(at: GatewayEndpoint, agentId: string, signal: AbortSignal): Promise<void> {
    const body = await this.#call(at, {
      method: 'DELETE',
      path: `/control/agents/${agentId}`,
      timeout: CALL_TIMEOUT,
      signal,
    });
    await body.dump();
  }

  async close(): Promise<void> {
    await this.#agent.close();
  }

  #post<T>(at: GatewayEndpoint, path: string, body: object, signal: AbortSignal): Promise<T> {
    const type = 'application/json';
    return this.#json(at, { method: 'POST', path, body: JSON.stringify(body), type, timeout: CALL_TIMEOUT, signal });
  }

  async #json<T>(at: GatewayEndpoint, call: Call): Promise<T> {
    const body = await this.#call(at, call);
    try {
      return (await jsonOf(body, call.most ?? MOST_ANSWER)) as T;
    } catch (cause) {
      call.signal.throwIfAborted();
      throw new RuntimeError('gateway-unreachable', 'The gateway broke off in the middle of its answer.', true, {
        cause,
      });
    }
  }

  async #call(at: GatewayEndpoint, call: Call): Promise<Dispatcher.ResponseData['body']> {
    let answer: Dispatcher.ResponseData;
    try {
      answer = await request(`http://${at.host}:${at.controlPort}${call.path}`, {
        method: call.method,
        headers: { authorization: `Bearer ${at.credential}`, ...(call.type ? { 'content-type': call.type } : {}) },
        body: call.body ?? null,
        signal: deadline(call.timeout, call.signal),
        headersTimeout: call.timeout,
        bodyTimeout: call.timeout,
        dispatcher: this.#agent,
      });
    } catch (cause) {
      call.signal.throwIfAborted();
      // Not this gateway failed but what was to be sent to it.
      if (cause instanceof RuntimeError) throw cause;
      throw new RuntimeError('gateway-unreachable', 'The gateway does not answer on its control port.', true, {
        cause,
      });
    }
    if (answer.statusCode < 300) return answer.body;
    throw await problemOf(answer);
  }
}

/** What a gateway says is wrong, in its words as far as they look like words. */
async function problemOf({ statusCode, body }: Dispatcher.ResponseData): Promise<RuntimeError> {
  const said = await jsonOf(body, MOST_PROBLEM).catch(() => undefined);
  const { code, detail } = (said ?? {}) as { code?: unknown; detail?: unknown };
  return new RuntimeError(
    typeof code === 'string' && /^[a-z0-9-]{1,64}$/.test(code) ? code : `gateway-answered-${statusCode}`,
    typeof detail === 'string' ? detail.slice(0, MOST_DETAIL) : `The gateway answered ${statusCode}.`,
    statusCode >= 500,
  );
}

/** Reads no more than that: an answer without end must not be what ends this process. */
async function jsonOf(body: Dispatcher.ResponseData['body'], most: number): Promise<unknown> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of body as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > most) throw new Error(`more than ${most} bytes`);
    chunks.push(chunk);
  }
  return JSON.parse(Buffer.concat(chunks).toString('utf8'));
}

/** A download whose end tells whether it is whole: one that breaks off says so in the words of this interface. */
async function* unbroken(body: Dispatcher.ResponseData['body'], signal: AbortSignal): AsyncGenerator<Buffer> {
  try {
    yield* body as AsyncIterable<Buffer>;
  } catch (cause) {
    signal.throwIfAborted();
    throw new RuntimeError(
      'transfer-interrupted',
      'The gateway broke off while it sent its archive. Try again.',
      true,
      {
        cause,
      },
    );
  }
}
