import type { FastifyReply } from 'fastify';
import type { LogEvent } from './log-follower.js';

const toText = (event: LogEvent): string => {
  if (!event) return ': keep-alive\n\n';
  return `${event.gap ? 'event: gap\ndata: {}\n\n' : ''}event: lines\ndata: ${JSON.stringify(event.lines)}\n\n`;
};

/** Writes log events as server-sent events until they end. A reader that is slow is waited for. */
export async function streamLog(reply: FastifyReply, events: AsyncGenerator<LogEvent, void>): Promise<void> {
  reply.hijack();
  reply.raw.writeHead(200, {
    'content-type': 'text/event-stream',
    'cache-control': 'no-store',
    'x-accel-buffering': 'no',
    connection: 'close',
  });
  reply.raw.flushHeaders();
  for await (const event of events) {
    if (!reply.raw.write(toText(event))) await drained(reply);
  }
}

const drained = (reply: FastifyReply): Promise<void> =>
  new Promise((resolve) => {
    reply.raw.once('drain', resolve);
    reply.raw.once('close', resolve);
  });
