import type { ServerFrame, SessionView, TokenUsage } from '#libs/contracts';
import { LIMITS } from '../limits.js';
import type { AgentDatabase } from './agent-database.js';

export type TaskStatus = SessionView['messages'][number]['status'];

export interface TaskRecord {
  readonly n: number;
  readonly task: string;
  readonly session: string;
  readonly fingerprint: string;
  readonly status: TaskStatus;
  readonly attempts: number;
  readonly trustMode: number;
  /** As a token says it: `slack:private`. */
  readonly place: string;
  readonly acceptedSeq: number;
  readonly model: string | null;
  readonly inputTokens: number | null;
  readonly outputTokens: number | null;
  readonly cost: number | null;
  readonly errorCode: string | null;
  readonly errorMessage: string | null;
  readonly retryAfter: number | null;
}

export interface NewTask {
  readonly task: string;
  readonly session: string;
  readonly key: string;
  readonly fingerprint: string;
  readonly member: string;
  readonly trustMode: number;
  readonly place: string;
  readonly acceptedSeq: number;
  readonly text: string;
  readonly at: string;
}

/** Whose sessions, and of which kind: those where strangers read along are apart from those where nobody does. */
export interface SessionScope {
  readonly member: string;
  readonly open: boolean;
}

export interface NewSession extends SessionScope {
  readonly session: string;
  readonly title: string;
  readonly at: string;
  /** The mode it begins in, which it never leaves upwards. */
  readonly mode: number;
}

/** How a task ended, as it is kept. */
export interface TaskEnd {
  readonly status: 'completed' | 'failed' | 'aborted';
  readonly text: string;
  readonly model: string | null;
  readonly usage: TokenUsage | null;
  readonly cost: number | null;
  readonly error: { readonly code: string; readonly message: string; readonly retryAfter: number | null } | null;
  readonly at: string;
}

/** A frame that is kept: everything of it but the number, which is the store's to give. */
type Unnumbered<T> = T extends { seq: number } | { seq?: number } ? Omit<T, 'seq'> : never;
export type KeptFrame = Unnumbered<Extract<ServerFrame, { task?: string; seq?: number }>>;

const TASK = `SELECT n, task, session, fingerprint, status, attempts, trust_mode AS trustMode, place, accepted_seq AS acceptedSeq, model,
  input_tokens AS inputTokens, output_tokens AS outputTokens, cost,
  error_code AS errorCode, error_message AS errorMessage, retry_after AS retryAfter FROM tasks`;

const SESSION = 'SELECT session, title, created_at AS createdAt, updated_at AS updatedAt, seq FROM sessions';

/** Rows of sessions, tasks, messages and frames of one agent. Callers group what belongs together in a transaction. */
export class ConversationsRepository {
  constructor(readonly db: AgentDatabase) {}

  findTask(task: string): TaskRecord | undefined {
    return this.db.get<TaskRecord>(`${TASK} WHERE task = ?`, task);
  }

  findTaskByKey(key: string): TaskRecord | undefined {
    return this.db.get<TaskRecord>(`${TASK} WHERE idempotency_key = ?`, key);
  }

  /** The oldest task of a session that has not ended. */
  nextTask(session: string): TaskRecord | undefined {
    return this.db.get<TaskRecord>(
      `${TASK} WHERE session = ? AND status IN ('pending', 'processing') ORDER BY n LIMIT 1`,
      session,
    );
  }

  sessionsWithOpenTasks(): string[] {
    const sql = `SELECT DISTINCT session FROM tasks WHERE status IN ('pending', 'processing')`;
    return this.db.all<{ session: string }>(sql).map((row) => row.session);
  }

  countOpenTasks(): number {
    const sql = `SELECT count(*) AS count FROM tasks WHERE status IN ('pending', 'processing')`;
    return this.db.get<{ count: number }>(sql)!.count;
  }

  createTask(task: NewTask): void {
    this.db.run(
      `INSERT INTO tasks (task, session, idempotency_key, fingerprint, member, trust_mode, place, status, accepted_seq, created_at)
       VALUES (?, ?, ?, ?, ?, ?, ?, 'pending', ?, ?)`,
      task.task,
      task.session,
      task.key,
      task.fingerprint,
      task.member,
      task.trustMode,
      task.place,
      task.acceptedSeq,
      task.at,
    );
    this.db.run(`INSERT INTO messages (task, role, text, at) VALUES (?, 'user', ?, ?)`, task.task, task.text, task.at);
  }

  begin(task: string): void {
    this.db.run(`UPDATE tasks SET status = 'processing', attempts = attempts + 1 WHERE task = ?`, task);
  }

  /** Puts a task back that was stopped in order: no crash, so the attempt does not count. */
  putBack(task: string): void {
    this.db.run(`UPDATE tasks SET status = 'pending', attempts = attempts - 1 WHERE task = ?`, task);
  }

  end(task: string, end: TaskEnd): void {
    this.db.run(
      `UPDATE tasks SET status = ?, finished_at = ?, model = ?, input_tokens = ?, output_tokens = ?, cost = ?,
         error_code = ?, error_message = ?, retry_after = ? WHERE task = ?`,
      end.status,
      end.at,
      end.model,
      end.usage?.inputTokens ?? null,
      end.usage?.outputTokens ?? null,
      end.cost,
      end.error?.code ?? null,
      end.error?.message ?? null,
      end.error?.retryAfter ?? null,
      task,
    );
    if (end.text === '') return;
    this.db.run(`INSERT INTO messages (task, role, text, at) VALUES (?, 'assistant', ?, ?)`, task, end.text, end.at);
  }

  answerOf(task: string): string {
    const sql = `SELECT text FROM messages WHERE task = ? AND role = 'assistant'`;
    return this.db.get<{ text: string }>(sql, task)?.text ?? '';
  }

  countTasksSince(at: string): { count: number; oldest: string | null } {
    const sql = 'SELECT count(*) AS count, min(created_at) AS oldest FROM tasks WHERE created_at > ?';
    return this.db.get<{ count: number; oldest: string | null }>(sql, at)!;
  }

  countSessions({ member, open }: SessionScope): number {
    const sql = 'SELECT count(*) AS count FROM sessions WHERE member = ? AND open = ?';
    return this.db.get<{ count: number }>(sql, member, Number(open))!.count;
  }

  findSession({ member, open }: SessionScope, session: string): Omit<SessionView, 'messages'> | undefined {
    return this.db.get(`${SESSION} WHERE session = ? AND member = ? AND open = ?`, session, member, Number(open));
  }

  listSessions({ member, open }: SessionScope): Omit<SessionView, 'messages'>[] {
    const sql = `${SESSION} WHERE member = ? AND open = ? ORDER BY updated_at DESC, session DESC LIMIT ${LIMITS.sessionsShown}`;
    return this.db.all(sql, member, Number(open));
  }

  latestSession({ member, open }: SessionScope): string | undefined {
    const sql = `${SESSION} WHERE member = ? AND open = ? ORDER BY updated_at DESC, session DESC LIMIT 1`;
    return this.db.get<{ session: string }>(sql, member, Number(open))?.session;
  }

  /** Whoever it belongs to; undefined when there is no such session. */
  sessionMode(session: string): number | undefined {
    return this.db.get<{ mode: number }>('SELECT mode FROM sessions WHERE session = ?', session)?.mode;
  }

  createSession({ session, title, at, mode, member, open }: NewSession): void {
    this.db.run(
      'INSERT INTO sessions (session, title, created_at, updated_at, mode, member, open) VALUES (?, ?, ?, ?, ?, ?, ?)',
      session,
      title,
      at,
      at,
      mode,
      member,
      Number(open),
    );
  }

  touchSession(session: string, at: string): void {
    this.db.run('UPDATE sessions SET updated_at = ? WHERE session = ?', at, session);
  }

  /** Newest messages of a session up to a task, oldest first. A message stands beside its answer, whenever that came. */
  messages(session: string, limit: number, upToTask = Number.MAX_SAFE_INTEGER): SessionView['messages'][number][] {
    const sql = `SELECT m.role, m.text, m.at, m.task, t.status FROM messages m JOIN tasks t USING (task)
      WHERE t.session = ? AND t.n <= ? ORDER BY t.n DESC, m.role ASC LIMIT ?`;
    return this.db.all<SessionView['messages'][number]>(sql, session, upToTask, limit).toReversed();
  }

  nextSeq(session: string): number {
    return this.db.get<{ seq: number }>('UPDATE sessions SET seq = seq + 1 WHERE session = ? RETURNING seq', session)!
      .seq;
  }

  keepFrame(session: string, seq: number, task: string, frame: string): void {
    this.db.run('INSERT INTO frames (session, seq, task, frame) VALUES (?, ?, ?, ?)', session, seq, task, frame);
  }

  /** The next page of frames. */
  framesAfter(session: string, after: number): { seq: number; frame: string }[] {
    const sql = `SELECT seq, frame FROM frames WHERE session = ? AND seq > ? ORDER BY seq LIMIT ${LIMITS.replayPage}`;
    return this.db.all(sql, session, after);
  }

  framesOf(session: string, task: string, from: number): string[] {
    const sql = 'SELECT frame FROM frames WHERE session = ? AND seq >= ? AND task = ? ORDER BY seq';
    return this.db.all<{ frame: string }>(sql, session, from, task).map((row) => row.frame);
  }

  pruneFrames(session: string): void {
    const sql = 'DELETE FROM frames WHERE session = ? AND seq <= (SELECT seq FROM sessions WHERE session = ?) - ?';
    this.db.run(sql, session, session, LIMITS.framesPerSession);
  }
}
