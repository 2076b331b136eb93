import type { FastifyReply } from 'fastify';
import type { FollowedLog, LogEvent } from './log-follower.js';

const toText = (event: LogEvent): string => {
  if (!event) return ': keep-alive\n\n';
  return `${event.gap ? 'event: gap\ndata: {}\n\n' : ''}event: lines\ndata: ${JSON.stringify(event.lines)}\n\n`;
};

/** Writes log events as server-sent events until they end. A reader that is slow is waited for, but not longer than that. */
export async function streamLog(reply: FastifyReply, { events, over }: FollowedLog): Promise<void> {
  reply.hijack();
  reply.raw.writeHead(200, {
    'content-type': 'text/event-stream',
    'cache-control': 'no-store',
    'x-accel-buffering': 'no',
    connection: 'close',
  });
  reply.raw.flushHeaders();
  for await (const event of events) {
    if (!reply.raw.write(toText(event))) await drained(reply, over);
    if (reply.raw.destroyed) return;
  }
}

const drained = ({ raw }: FastifyReply, over: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    const cut = (): void => void raw.destroy();
    const done = (): void => {
      for (const name of ['drain', 'close']) raw.off(name, done);
      over.removeEventListener('abort', cut);
      resolve();
    };
    raw.once('drain', done).once('close', done);
    over.addEventListener('abort', cut, { once: true });
    if (over.aborted) cut();
    if (raw.destroyed) done();
  });
