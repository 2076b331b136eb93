import type { AgentConfig, RequestLimits, SessionView } from '#libs/contracts';
import { decide } from '#libs/trust';
import { FrameFeed, type Kept } from '../chat/frame-feed.js';
import { type Accepted, Inbox, type Incoming } from '../chat/inbox.js';
import { TaskRunner } from '../chat/task-runner.js';
import { NotReady, SessionNotFound, TaskFinished, TaskNotFound } from '../errors.js';
import { LIMITS } from '../limits.js';
import { ToolPolicy } from '../policy/tool-policy.js';
import { AgentDatabase } from '../store/agent-database.js';
import { DiskUsage } from '../store/disk-usage.js';
import { ConversationsRepository, type TaskRecord } from '../store/conversations.repository.js';
import type { AgentParts } from './agent-parts.js';
import { scopeOf, type Visitor } from './visitor.js';

type SessionSummary = Omit<SessionView, 'messages'>;

export interface RoomOptions {
  /** Null: everything stays in memory and is gone with the room. */
  readonly folder: string | null;
  readonly agent: () => AgentConfig;
  readonly limits: () => RequestLimits;
  readonly parts: AgentParts;
}

/** Conversations in one place: the agent's folder, or the memory of one demo. */
export class ChatRoom {
  readonly conversations: ConversationsRepository;
  readonly policy: ToolPolicy;
  readonly #database: AgentDatabase;
  readonly #feed: FrameFeed;
  readonly #inbox: Inbox;
  readonly #runner: TaskRunner;
  readonly #disk: DiskUsage | undefined;
  #draining = false;

  constructor(private readonly options: RoomOptions) {
    const { agent, limits, parts, folder } = options;
    this.#database = new AgentDatabase(folder, parts.uptime);
    this.#disk = folder === null ? undefined : new DiskUsage(folder, parts.uptime);
    this.conversations = new ConversationsRepository(this.#database);
    this.policy = new ToolPolicy(this.#database, parts.clock);
    this.#feed = new FrameFeed(this.conversations, (error) =>
      parts.logger.error({ agentId: agent().agentId, err: error }, 'frame could not be handed out'),
    );
    const shared = { ...parts, conversations: this.conversations, feed: this.#feed, agent };
    this.#inbox = new Inbox({ ...shared, limits, checkSpace: () => this.#disk?.check(agent().diskBytes ?? null) });
    this.#runner = new TaskRunner({ ...shared, ended: () => this.#ended() });
  }

  get isOpen(): boolean {
    return this.#database.isOpen;
  }

  get activeTasks(): number {
    return this.#runner.active;
  }

  get usedAt(): number {
    return this.#database.usedAt;
  }

  /** Bytes of its folder. */
  get diskBytes(): number {
    return this.#disk?.bytes ?? 0;
  }

  get fault(): string | null {
    return this.#database.fault;
  }

  /** Makes its folder. */
  prepare(): void {
    this.#database.prepare();
  }

  /** Goes on with what a crash or a stop left unfinished. A room without a database has nothing to go on with. */
  resume(): void {
    if (this.#database.exists()) this.#runner.resumeAll();
  }

  /** Counts what its folder takes; in the background once it was counted. */
  async measure(): Promise<void> {
    await this.#disk?.refresh();
  }

  /** Opens and migrates the database and looks through all of it, for a rehearsal. Runs nothing. */
  rehearse(): void {
    if (!this.#database.exists()) return;
    this.#database.verify();
    this.#database.close();
  }

  send(incoming: Incoming): Accepted {
    if (this.#draining) throw new NotReady('agent-draining');
    const accepted = this.#inbox.accept(incoming);
    this.options.parts.metrics.add(accepted.repeated ? 'messages_repeated_total' : 'messages_accepted_total');
    this.#runner.kick(accepted.session);
    return accepted;
  }

  /** Throws TaskNotFound, for somebody else's task too. */
  getTask(visitor: Visitor, task: string): TaskRecord {
    const found = this.#database.exists() ? this.conversations.findTask(task) : undefined;
    if (!found || !this.findSession(visitor, found.session)) throw new TaskNotFound();
    return found;
  }

  abort(visitor: Visitor, task: string): void {
    if (!this.#runner.abort(this.getTask(visitor, task))) throw new TaskFinished();
  }

  /** Throws SessionNotFound, for somebody else's session too. */
  getSession(visitor: Visitor, session: string): SessionView {
    const found = this.findSession(visitor, session);
    if (!found) throw new SessionNotFound();
    return { ...found, messages: this.conversations.messages(session, LIMITS.messagesShown) };
  }

  findSession(visitor: Visitor, session: string): SessionSummary | undefined {
    return this.#database.exists() ? this.conversations.findSession(scopeOf(visitor), session) : undefined;
  }

  /** The effective mode of a request in this session: one that began in a lower mode never rises. */
  modeIn(visitor: Visitor, session: string | undefined): number {
    const sessionMode = session === undefined ? undefined : this.#modeOf(session);
    const { tokenMode, place } = visitor;
    return decide({ profile: this.options.agent().trust, tokenMode, ...place, sessionMode }).mode;
  }

  framesAfter(visitor: Visitor, session: string, after: number): { seq: number; frame: string }[] {
    return this.findSession(visitor, session) ? this.conversations.framesAfter(session, after) : [];
  }

  /**
   * Every frame of a session from now on, if it is the visitor's. A client may follow a session before its first message
   * makes it, so the owner is looked at when the first frame comes.
   */
  subscribe(visitor: Visitor, session: string, listener: (kept: Kept) => void): () => void {
    let own = false;
    return this.#feed.subscribe(session, (kept) => {
      own ||= this.findSession(visitor, session) !== undefined;
      if (own) listener(kept);
    });
  }

  /** The frame a task ended with; undefined while it has not, or when it is too old to be kept. */
  lastFrameOf(task: TaskRecord): string | undefined {
    if (task.status === 'pending' || task.status === 'processing') return undefined;
    return this.conversations.framesOf(task.session, task.task, task.acceptedSeq + 1).at(-1);
  }

  listSessions(visitor: Visitor): SessionSummary[] {
    return this.#database.exists() ? this.conversations.listSessions(scopeOf(visitor)) : [];
  }

  /** The session of a connection that asks for none: a new one, or the latest when no further one is allowed. */
  sessionForNewConnection(visitor: Visitor): string {
    const limit = this.options.limits().sessions;
    if (limit !== null && this.#database.exists()) {
      const scope = scopeOf(visitor);
      const latest =
        this.conversations.countSessions(scope) >= limit ? this.conversations.latestSession(scope) : undefined;
      if (latest) return latest;
    }
    return this.options.parts.ids.next('session');
  }

  closeIfIdle(): void {
    if (this.activeTasks === 0) this.#database.closeIfIdle(LIMITS.databaseIdle);
  }

  /** Refuses new work, lets running answers end for `graceMs` and puts the rest back. */
  async stop(graceMs: number): Promise<void> {
    this.#draining = true;
    await this.#runner.stop(graceMs);
  }

  close(): void {
    this.#database.close();
  }

  #ended(): void {
    this.options.parts.activity.used();
    void this.measure();
  }

  #modeOf(session: string): number | undefined {
    return this.#database.exists() ? this.conversations.sessionMode(session) : undefined;
  }
}
