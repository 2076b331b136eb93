import type { AgentConfig, SessionView } from '#libs/contracts';
import type { Clock, Ids } from '#libs/kernel';
import type { ModelRouter } from '#libs/providers';
import type { Logger } from '#libs/telemetry';
import { FrameFeed } from '../chat/frame-feed.js';
import { type Accepted, Inbox, type Incoming } from '../chat/inbox.js';
import type { ModelEndpoints } from '../chat/model-endpoints.js';
import { TaskRunner } from '../chat/task-runner.js';
import { NotReady, SessionNotFound, TaskFinished, TaskNotFound } from '../errors.js';
import { LIMITS } from '../limits.js';
import type { Metrics } from '../metrics.js';
import { AgentDatabase } from '../store/agent-database.js';
import { ConversationsRepository, type TaskRecord } from '../store/conversations.repository.js';

/** What every agent of a gateway shares. */
export interface AgentParts {
  readonly clock: Clock;
  readonly ids: Ids;
  readonly router: ModelRouter;
  readonly endpoints: ModelEndpoints;
  readonly metrics: Metrics;
  readonly logger: Logger;
}

/** A client's connection, as far as an agent has to do with it. */
export interface AgentSocket {
  /** Tells the client to come back later; the socket stays until `end`. */
  drain(): void;
  end(): void;
}

/** One attached agent: its configuration, its conversations, its connections. Everything durable is in its folder. */
export class Agent {
  readonly sockets = new Set<AgentSocket>();
  readonly conversations: ConversationsRepository;
  readonly feed: FrameFeed;
  readonly #database: AgentDatabase;
  readonly #inbox: Inbox;
  readonly #runner: TaskRunner;
  #draining = false;

  constructor(
    public config: AgentConfig,
    folder: string,
    private readonly parts: AgentParts,
  ) {
    this.#database = new AgentDatabase(folder, parts.clock);
    this.conversations = new ConversationsRepository(this.#database);
    this.feed = new FrameFeed(this.conversations);
    const { conversations, feed } = this;
    const agent = () => this.config;
    this.#inbox = new Inbox(conversations, feed, agent, parts.clock, parts.ids);
    this.#runner = new TaskRunner({ ...parts, conversations, feed, agent });
  }

  get isOpen(): boolean {
    return this.#database.isOpen;
  }

  get activeTasks(): number {
    return this.#runner.active;
  }

  /** Goes on with what a crash or a stop left unfinished. An agent without a database has nothing to go on with. */
  resume(): void {
    if (this.#database.exists()) this.#runner.resumeAll();
  }

  send(incoming: Incoming): Accepted {
    if (this.#draining) throw new NotReady('agent-draining');
    const accepted = this.#inbox.accept(incoming);
    this.parts.metrics.add(accepted.repeated ? 'messages_repeated_total' : 'messages_accepted_total');
    this.#runner.kick(accepted.session);
    return accepted;
  }

  getTask(task: string): TaskRecord {
    const found = this.#database.exists() ? this.conversations.findTask(task) : undefined;
    if (!found) throw new TaskNotFound();
    return found;
  }

  abort(task: string): void {
    if (!this.#runner.abort(this.getTask(task))) throw new TaskFinished();
  }

  getSession(session: string): SessionView {
    const found = this.findSession(session);
    if (!found) throw new SessionNotFound();
    return { ...found, messages: this.conversations.messages(session, LIMITS.messagesShown) };
  }

  findSession(session: string): Omit<SessionView, 'messages'> | undefined {
    return this.#database.exists() ? this.conversations.findSession(session) : undefined;
  }

  framesAfter(session: string, after: number): { seq: number; frame: string }[] {
    return this.#database.exists() ? this.conversations.framesAfter(session, after) : [];
  }

  /** The frame a task ended with; undefined while it has not, or when it is too old to be kept. */
  lastFrameOf(task: TaskRecord): string | undefined {
    if (task.status === 'pending' || task.status === 'processing') return undefined;
    return this.conversations.framesOf(task.session, task.task, task.acceptedSeq + 1).at(-1);
  }

  listSessions(): Omit<SessionView, 'messages'>[] {
    return this.#database.exists() ? this.conversations.listSessions() : [];
  }

  /** The session of a connection that asks for none: a new one, or the latest when no further one is allowed. */
  sessionForNewConnection(): string {
    const limit = this.config.limits.sessions;
    if (limit !== null && this.#database.exists() && this.conversations.countSessions() >= limit) {
      const latest = this.conversations.listSessions()[0];
      if (latest) return latest.session;
    }
    return this.parts.ids.next('session');
  }

  closeIfIdle(): void {
    if (this.#runner.active === 0) this.#database.closeIfIdle(LIMITS.databaseIdle);
  }

  /** Gives back what looking for unfinished work took. */
  closeIfUnused(): void {
    if (this.#runner.active === 0 && this.sockets.size === 0) this.#database.close();
  }

  /** Refuses new work, lets running answers end for `graceMs`, puts the rest back, then closes connections and database. */
  async detach(graceMs: number): Promise<void> {
    this.#draining = true;
    for (const socket of this.sockets) socket.drain();
    await this.#runner.stop(graceMs);
    for (const socket of this.sockets) socket.end();
    this.#database.close();
  }
}
