import { randomUUID } from 'node:crypto';
import { on } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { WebSocket } from 'ws';
import {
  BEARER_PROTOCOL_PREFIX,
  CHAT_PROTOCOL,
  type ClientFrame,
  type ServerFrame,
  type TokenView,
} from '#libs/contracts';
import { deadline, delay } from '#libs/kernel';
import { ExpectationFailed, Refused } from './errors.js';
import { TIMES } from './http.js';

export interface SocketAnswer {
  readonly session: string;
  readonly text: string;
  readonly model: string;
  /** Milliseconds from sending the message to the first piece of the answer. */
  readonly firstToken: number;
  readonly total: number;
}

/** Asks one question over a socket of its own, as a browser does, and hands each piece of the answer on as it arrives. */
export async function askBySocket(
  access: TokenView,
  question: { readonly text: string; readonly session?: string },
  onDelta: (delta: string) => void,
  signal: AbortSignal,
): Promise<SocketAnswer> {
  const bounded = deadline(TIMES.request, signal);
  const chat = await openPatiently(access, bounded);
  try {
    return await converse(chat, question, onDelta);
  } finally {
    chat.socket.close();
  }
}

interface Chat {
  readonly socket: WebSocket;
  readonly frames: AsyncIterable<ServerFrame>;
}

/** A gateway that is starting refuses the upgrade with 503: waits as it says, within bounds. */
async function openPatiently(access: TokenView, signal: AbortSignal): Promise<Chat> {
  const until = Date.now() + TIMES.patience;
  for (;;) {
    try {
      return await open(access, signal);
    } catch (error) {
      if (!(error instanceof Refused) || error.status !== 503 || Date.now() > until) throw error;
      await delay(error.retryAfter ?? TIMES.retry, signal);
    }
  }
}

async function open(access: TokenView, signal: AbortSignal): Promise<Chat> {
  const socket = new WebSocket(access.wsUrl, [CHAT_PROTOCOL, BEARER_PROTOCOL_PREFIX + access.token]);
  // Listening begins before the socket is open: the first frame may come with the answer to the upgrade.
  const frames = framesOf(on(socket, 'message', { close: ['close'], signal }));
  await new Promise<void>((resolve, reject) => {
    signal.addEventListener('abort', () => (socket.terminate(), reject(signal.reason as Error)), { once: true });
    socket.once('open', resolve);
    socket.once('error', reject);
    socket.once('unexpected-response', (_request, response: IncomingMessage) => {
      response.resume();
      const seconds = Number(response.headers['retry-after']);
      const status = response.statusCode ?? 0;
      reject(
        new Refused(
          status,
          `http-${status}`,
          `the socket was refused with status ${status}`,
          seconds > 0 ? seconds * 1000 : undefined,
        ),
      );
    });
  });
  return { socket, frames };
}

async function converse(
  { socket, frames }: Chat,
  question: { readonly text: string; readonly session?: string },
  onDelta: (delta: string) => void,
): Promise<SocketAnswer> {
  const send = (frame: ClientFrame) => socket.send(JSON.stringify(frame));
  send({ type: 'connect', id: randomUUID() });
  let session = question.session;
  let sentAt = 0;
  let firstToken = -1;
  for await (const frame of frames) {
    if (frame.type === 'connected' && sentAt === 0) {
      sentAt = performance.now();
      send({ type: 'message', id: randomUUID(), idempotencyKey: randomUUID(), session, text: question.text });
    } else if (frame.type === 'accepted') session = frame.session;
    else if (frame.type === 'response') {
      if (firstToken < 0) firstToken = performance.now() - sentAt;
      onDelta(frame.delta);
    } else if (frame.type === 'done') {
      const total = performance.now() - sentAt;
      return {
        session: session ?? '',
        text: frame.text,
        model: frame.model,
        firstToken: firstToken < 0 ? total : firstToken,
        total,
      };
    } else if (frame.type === 'error')
      throw new ExpectationFailed(`the agent answered ${frame.code}: ${frame.message}`);
  }
  throw new ExpectationFailed('the socket closed before the answer was complete');
}

async function* framesOf(events: AsyncIterable<unknown>): AsyncGenerator<ServerFrame> {
  for await (const event of events) yield JSON.parse(String((event as [Buffer])[0])) as ServerFrame;
}
