import type { ChatAnswer, TokenUsage } from '#libs/contracts';
import type { ChatRoom } from '../agents/chat-room.js';
import type { Kept } from '../chat/frame-feed.js';
import { NotReady, TaskFailed } from '../errors.js';
import type { TaskRecord } from '../store/conversations.repository.js';
import type { Access } from './access.js';

const isLast = (kept: Kept): boolean => kept.frame.type === 'done' || kept.frame.type === 'error';

/** What became of a task that has ended. */
function answerOf(room: ChatRoom, task: TaskRecord): ChatAnswer {
  if (task.status !== 'completed') {
    throw new TaskFailed(
      task.errorCode ?? 'internal-error',
      task.errorMessage ?? 'The answer failed.',
      task.retryAfter ?? undefined,
    );
  }
  const usage: TokenUsage = { inputTokens: task.inputTokens ?? 0, outputTokens: task.outputTokens ?? 0 };
  const text = room.conversations.answerOf(task.task);
  return { task: task.task, session: task.session, text, usage, cost: task.cost, model: task.model ?? '' };
}

/** Follows one task's frames; `onEnd` gets undefined when the last frame was delivered, else why there will be none. */
export function followTask(
  { agent, room, visitor }: Access,
  session: string,
  task: string,
  onFrame: (kept: Kept) => void,
  onEnd: (error?: NotReady) => void,
): () => void {
  // The answer was accepted under the profile of then: a newer one does not cut it off.
  const socket = {
    drain: () => undefined,
    revise: () => undefined,
    end: () => finish(new NotReady('agent-draining')),
  };
  const unsubscribe = room.subscribe(visitor, session, (kept) => {
    if (kept.task !== task) return;
    onFrame(kept);
    if (isLast(kept)) finish();
  });
  const stop = () => {
    unsubscribe();
    agent.sockets.delete(socket);
  };
  const finish = (error?: NotReady) => {
    stop();
    onEnd(error);
  };
  agent.sockets.add(socket);
  return stop;
}

export const hasEnded = (task: TaskRecord): boolean => task.status !== 'pending' && task.status !== 'processing';

/** Resolves with the answer once there is one; rejects with the error the task ended with. The task goes on without us. */
export async function waitForAnswer(access: Access, taskId: string, signal: AbortSignal): Promise<ChatAnswer> {
  const { room, visitor } = access;
  const task = room.getTask(visitor, taskId);
  if (hasEnded(task)) return answerOf(room, task);
  await new Promise<void>((resolve, reject) => {
    const stop = followTask(
      access,
      task.session,
      taskId,
      () => undefined,
      (error) => (error ? reject(error) : resolve()),
    );
    signal.addEventListener('abort', () => {
      stop();
      reject(signal.reason as Error);
    });
  });
  return answerOf(room, room.getTask(visitor, taskId));
}
