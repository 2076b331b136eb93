import type { AgentConfig } from '#libs/contracts';
import { MODE_LIMITS, stricterLimits } from '#libs/trust';
import { DemosFull } from '../errors.js';
import { LIMITS } from '../limits.js';
import type { Agenda } from './agenda.js';
import type { AgentParts } from './agent-parts.js';
import { ChatRoom } from './chat-room.js';
import { demoKey, type Visitor } from './visitor.js';

/** A client's connection, as far as an agent has to do with it. */
export interface AgentSocket {
  /** Tells the client to come back later; the socket stays until `end`. */
  drain(): void;
  end(): void;
  /** What the connection may do has changed: it has to begin again. Nothing that was accepted is lost by it. */
  revise(): void;
  /** Bytes that were sent and not read. */
  unread?(): number;
}

/**
 * One attached agent: its configuration, its conversations, its connections. Everything durable is in its folder; demos
 * (mode 0) are in memory only, one room each.
 */
export class Agent {
  readonly sockets = new Set<AgentSocket>();
  readonly agenda: Agenda;
  readonly #folder: ChatRoom;
  readonly #demos = new Map<string, ChatRoom>();
  #config: AgentConfig;

  constructor(
    config: AgentConfig,
    folder: string,
    private readonly parts: AgentParts,
  ) {
    this.#config = config;
    this.agenda = parts.agendaOf(config.agentId);
    this.#folder = new ChatRoom({ folder, agent: () => this.#config, limits: () => this.#config.trust.limits, parts });
  }

  get config(): AgentConfig {
    return this.#config;
  }

  /** Connections that were let in under another profile begin again, so that it holds for them too. */
  reconfigure(config: AgentConfig): void {
    const revised = JSON.stringify(config.trust) !== JSON.stringify(this.#config.trust);
    this.#config = config;
    if (revised) for (const socket of this.sockets) socket.revise();
  }

  get isOpen(): boolean {
    return this.#folder.isOpen;
  }

  get activeTasks(): number {
    return this.#rooms.reduce((sum, room) => sum + room.activeTasks, 0);
  }

  get diskBytes(): number {
    return this.#folder.diskBytes;
  }

  /** Why its database cannot be used; null: it can. */
  get fault(): string | null {
    return this.#folder.fault;
  }

  /** Everything that costs something for this agent waits for it; the others have theirs in between. */
  turn(): Promise<void> {
    return this.parts.turns.take(this.#config.agentId);
  }

  /** What its connections have not read yet, in bytes. */
  get unread(): number {
    let bytes = 0;
    for (const socket of this.sockets) bytes += socket.unread?.() ?? 0;
    return bytes;
  }

  /** Where this visitor's conversations are. Throws DemosFull. */
  roomOf(visitor: Visitor): ChatRoom {
    return visitor.trustMode === 0 ? this.#demoOf(demoKey(visitor)) : this.#folder;
  }

  /** An agent that was never talked to has a folder too: it can be moved like any other. */
  prepare(): void {
    this.#folder.prepare();
  }

  resume(): void {
    this.#folder.resume();
  }

  /** What `resume` is in a rehearsal: everything is opened and looked at, nothing is begun. */
  rehearse(): void {
    this.#folder.rehearse();
  }

  measure(): Promise<void> {
    return this.#folder.measure();
  }

  /** Gives back what nobody has used for a while. A demo ends with it. */
  closeIfIdle(): void {
    this.#folder.closeIfIdle();
    const before = this.parts.uptime.now().getTime() - LIMITS.demoIdle;
    for (const [key, room] of this.#demos)
      if (room.activeTasks === 0 && room.usedAt <= before) this.#endDemo(key, room);
  }

  /** Gives back what looking for unfinished work took. */
  closeIfUnused(): void {
    if (this.activeTasks === 0 && this.sockets.size === 0) this.#folder.close();
  }

  /** Refuses new work, lets running answers end for `graceMs`, puts the rest back, then closes connections and databases. */
  async detach(graceMs: number): Promise<void> {
    for (const socket of this.sockets) socket.drain();
    await Promise.all(this.#rooms.map((room) => room.stop(graceMs)));
    for (const socket of this.sockets) socket.end();
    for (const room of this.#rooms) room.close();
  }

  get #rooms(): readonly ChatRoom[] {
    return [this.#folder, ...this.#demos.values()];
  }

  #demoOf(key: string): ChatRoom {
    const known = this.#demos.get(key);
    if (known) return known;
    if (this.#demos.size >= LIMITS.demos) this.#makeRoom();
    const limits = () => stricterLimits(this.#config.trust.limits, MODE_LIMITS[0]);
    const room = new ChatRoom({ folder: null, agent: () => this.#config, limits, parts: this.parts });
    this.#demos.set(key, room);
    return room;
  }

  /** Ends the demo that was quiet for longest. */
  #makeRoom(): void {
    const quiet = [...this.#demos].filter(([, room]) => room.activeTasks === 0);
    const [oldest] = quiet.sort(([, a], [, b]) => a.usedAt - b.usedAt);
    if (!oldest) throw new DemosFull();
    this.#endDemo(...oldest);
  }

  #endDemo(key: string, room: ChatRoom): void {
    this.#demos.delete(key);
    room.close();
  }
}
