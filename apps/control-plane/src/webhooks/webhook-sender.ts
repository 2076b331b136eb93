import { Injectable, type OnApplicationShutdown } from '@nestjs/common';
import { ControlPlaneConfig } from '#libs/config';
import { Clock, deadline, DomainError } from '#libs/kernel';
import { assertPublicUrl, createPublicAgent } from '#libs/outbound';
import { Webhook } from 'standardwebhooks';
import { request } from 'undici';
import { retryAfterOf } from './webhook-schedule.js';

/** Milliseconds. A receiver that needs longer should answer first and work afterwards. */
const CONNECT_MS = 5_000;
const WHOLE_MS = 15_000;
/** Bytes of the answer that are kept for the delivery log; the rest is not read. */
const KEPT_ANSWER = 1_024;

export interface Attempt {
  readonly at: string;
  /** Null: no answer arrived. */
  readonly status: number | null;
  readonly durationMs: number;
  /** Why there was no success. */
  readonly error: string | null;
  /** The beginning of the answer. */
  readonly response: string | null;
}

export interface AttemptResult {
  readonly attempt: Attempt;
  readonly outcome: 'delivered' | 'gone' | 'failed';
  /** Seconds the receiver asked for. */
  readonly retryAfter: number | null;
}

export interface Outgoing {
  readonly url: string;
  readonly eventId: string;
  readonly body: string;
  /** Newest first; each signs. */
  readonly secrets: readonly string[];
}

/** Sends one delivery by the Standard Webhooks rules: id, timestamp, one signature for each secret that is valid now. */
@Injectable()
export class WebhookSender implements OnApplicationShutdown {
  readonly #agent;
  readonly #allowPrivate: boolean;

  constructor(
    config: ControlPlaneConfig,
    private readonly clock: Clock,
  ) {
    this.#allowPrivate = config.webhooksAllowPrivate;
    this.#agent = createPublicAgent({ connectTimeout: CONNECT_MS, allowPrivate: this.#allowPrivate });
  }

  async onApplicationShutdown(): Promise<void> {
    await this.#agent.destroy();
  }

  /** Never rejects: whatever goes wrong is the attempt's result. */
  async send(outgoing: Outgoing, signal: AbortSignal): Promise<AttemptResult> {
    const at = this.clock.now();
    const began = performance.now();
    try {
      assertPublicUrl(outgoing.url, { allowPrivate: this.#allowPrivate });
      const answer = await request(outgoing.url, {
        method: 'POST',
        headers: this.#headers(outgoing, at),
        body: outgoing.body,
        dispatcher: this.#agent,
        headersTimeout: WHOLE_MS,
        bodyTimeout: WHOLE_MS,
        signal: deadline(WHOLE_MS, signal),
      });
      const response = await firstOf(answer.body);
      const status = answer.statusCode;
      const delivered = status >= 200 && status < 300;
      const error = delivered ? null : `the receiver answered ${status}`;
      const retryAfter = retryAfterOf(textOf(answer.headers['retry-after']), at);
      const attempt = { at: at.toISOString(), status, durationMs: since(began), error, response };
      return { attempt, outcome: delivered ? 'delivered' : status === 410 ? 'gone' : 'failed', retryAfter };
    } catch (error) {
      const attempt = {
        at: at.toISOString(),
        status: null,
        durationMs: since(began),
        error: reasonOf(error),
        response: null,
      };
      return { attempt, outcome: 'failed', retryAfter: null };
    }
  }

  #headers({ eventId, body, secrets }: Outgoing, at: Date): Record<string, string> {
    const signatures = secrets.map((secret) => new Webhook(secret).sign(eventId, at, body));
    return {
      'content-type': 'application/json',
      'user-agent': 'Wirebot-Webhooks/1',
      'webhook-id': eventId,
      'webhook-timestamp': String(Math.floor(at.getTime() / 1_000)),
      'webhook-signature': signatures.join(' '),
    };
  }
}

const since = (began: number): number => Math.round(performance.now() - began);

const textOf = (header: string | string[] | undefined): string | undefined =>
  Array.isArray(header) ? header[0] : header;

/** The beginning of an answer; the connection is closed on the rest. */
async function firstOf(body: AsyncIterable<Uint8Array> & { destroy(): unknown }): Promise<string> {
  const parts: Uint8Array[] = [];
  let size = 0;
  for await (const part of body) {
    parts.push(part);
    size += part.length;
    if (size >= KEPT_ANSWER) break;
  }
  // PostgreSQL's JSON takes no NUL, and half a character at the end is of no use.
  return Buffer.concat(parts)
    .subarray(0, KEPT_ANSWER)
    .toString('utf8')
    .replaceAll('\u0000', '')
    .replace(/\uFFFD$/, '');
}

const REASONS: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'the connection was refused',
  ECONNRESET: 'the connection was cut',
  ENOTFOUND: 'the host name does not exist',
  EAI_AGAIN: 'the host name could not be resolved',
  UND_ERR_CONNECT_TIMEOUT: `no connection within ${CONNECT_MS / 1_000} s`,
  UND_ERR_HEADERS_TIMEOUT: `no answer within ${WHOLE_MS / 1_000} s`,
  UND_ERR_BODY_TIMEOUT: `the answer did not end within ${WHOLE_MS / 1_000} s`,
  UND_ERR_SOCKET: 'the connection was cut',
};

/** In our own words: a system's text may hold addresses of the inside. */
function reasonOf(error: unknown): string {
  if (error instanceof DomainError) return error.message;
  if (error instanceof DOMException && error.name === 'TimeoutError') return `no answer within ${WHOLE_MS / 1_000} s`;
  const { code, cause } = error as { code?: unknown; cause?: unknown };
  if (cause instanceof DomainError) return cause.message;
  const known = typeof code === 'string' ? REASONS[code] : undefined;
  if (known) return known;
  const isTls = typeof code === 'string' && /CERT|TLS|SSL/.test(code);
  return isTls ? `the certificate is not valid (${code})` : 'the call failed';
}
