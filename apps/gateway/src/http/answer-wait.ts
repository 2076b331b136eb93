import type { ChatAnswer, TokenUsage } from '#libs/contracts';
import type { Agent } from '../agents/agent.js';
import type { Kept } from '../chat/frame-feed.js';
import { NotReady, TaskFailed } from '../errors.js';
import type { TaskRecord } from '../store/conversations.repository.js';

const isLast = (kept: Kept): boolean => kept.frame.type === 'done' || kept.frame.type === 'error';

/** What became of a task that has ended. */
function answerOf(agent: Agent, task: TaskRecord): ChatAnswer {
  if (task.status !== 'completed') {
    throw new TaskFailed(
      task.errorCode ?? 'internal-error',
      task.errorMessage ?? 'The answer failed.',
      task.retryAfter ?? undefined,
    );
  }
  const usage: TokenUsage = { inputTokens: task.inputTokens ?? 0, outputTokens: task.outputTokens ?? 0 };
  const text = agent.conversations.answerOf(task.task);
  return { task: task.task, session: task.session, text, usage, cost: task.cost, model: task.model ?? '' };
}

/** Follows one task's frames; `onEnd` gets undefined when the last frame was delivered, else why there will be none. */
export function followTask(
  agent: Agent,
  session: string,
  task: string,
  onFrame: (kept: Kept) => void,
  onEnd: (error?: NotReady) => void,
): () => void {
  const socket = { drain: () => undefined, end: () => finish(new NotReady('agent-draining')) };
  const unsubscribe = agent.feed.subscribe(session, (kept) => {
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
export async function waitForAnswer(agent: Agent, taskId: string, signal: AbortSignal): Promise<ChatAnswer> {
  const task = agent.getTask(taskId);
  if (hasEnded(task)) return answerOf(agent, task);
  await new Promise<void>((resolve, reject) => {
    const stop = followTask(
      agent,
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
  return answerOf(agent, agent.getTask(taskId));
}
