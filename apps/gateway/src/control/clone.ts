import { FrameFeed } from '../chat/frame-feed.js';
import { TaskInterrupted } from '../errors.js';
import { RunningClock } from '../load/running-clock.js';
import { AgentDatabase } from '../store/agent-database.js';
import { ConversationsRepository, type TaskRecord } from '../store/conversations.repository.js';

/**
 * Makes an unpacked copy of an agent's folder an agent of its own. Nothing in its database names the agent. What the original
 * had not answered yet is the original's to answer: here it ends, so that no message is answered twice.
 */
export function becomeClone(folder: string): void {
  const db = new AgentDatabase(folder, new RunningClock(Infinity));
  try {
    if (db.exists()) db.transaction('durable', () => endOpenTasks(new ConversationsRepository(db)));
  } finally {
    db.close();
  }
}

function nobodyListens(error: unknown): never {
  throw error;
}

function endOpenTasks(conversations: ConversationsRepository): void {
  const feed = new FrameFeed(conversations, nobodyListens);
  const at = new Date().toISOString();
  const { code, message } = new TaskInterrupted();
  const error = { code, message, retryAfter: null };
  for (const session of conversations.sessionsWithOpenTasks()) {
    let open: TaskRecord | undefined;
    while ((open = conversations.nextTask(session))) {
      const { task } = open;
      conversations.end(task, { status: 'aborted', text: '', model: null, usage: null, cost: null, error, at });
      feed.append(session, task, { type: 'error', task, code, message });
    }
  }
}
