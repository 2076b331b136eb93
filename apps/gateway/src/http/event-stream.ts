import type { ServerFrame } from '#libs/contracts';
import { toProblem } from '#libs/kernel';
import type { ServerResponse } from 'node:http';
import { LIMITS } from '../limits.js';
import type { Metrics } from '../metrics.js';
import type { Access } from './access.js';
import { followTask, hasEnded } from './answer-wait.js';

export interface StreamTarget {
  readonly response: ServerResponse;
  readonly metrics: Metrics;
  readonly headers: Readonly<Record<string, string>>;
}

/**
 * Streams a task's frames as server-sent events, from its first frame on: those that exist already, then each as it comes.
 * The event is named after the frame's type and its id is the frame's `seq`. Ends after `done` or `error`.
 */
export function streamTask(access: Access, taskId: string, { response, metrics, headers }: StreamTarget): void {
  const { room, visitor } = access;
  const task = room.getTask(visitor, taskId);
  response.writeHead(200, {
    ...headers,
    'content-type': 'text/event-stream; charset=utf-8',
    'cache-control': 'no-store',
    // Asks buffering proxies in between (nginx) to pass every event on at once.
    'x-accel-buffering': 'no',
  });
  const send = (text: string) => {
    if (response.writableLength > LIMITS.unread) {
      metrics.add('slow_consumers_total');
      return void response.destroy();
    }
    const frame = JSON.parse(text) as ServerFrame;
    const id = 'seq' in frame && frame.seq !== undefined ? `id: ${frame.seq}\n` : '';
    metrics.add('frames_sent_total');
    response.write(`event: ${frame.type}\n${id}data: ${text}\n\n`);
  };
  for (const text of room.conversations.framesOf(task.session, taskId, task.acceptedSeq)) send(text);
  if (hasEnded(task)) return void response.end();
  const ping = setInterval(() => response.write(': still here\n\n'), LIMITS.eventStreamPing);
  const stop = followTask(
    access,
    task.session,
    taskId,
    (kept) => send(kept.text),
    (error) => {
      if (error) {
        const { code, detail: message } = toProblem(error);
        send(JSON.stringify({ type: 'error', task: taskId, code, message, retryAfter: error.retryAfter }));
      }
      response.end();
    },
  );
  response.on('close', () => {
    clearInterval(ping);
    stop();
  });
}
