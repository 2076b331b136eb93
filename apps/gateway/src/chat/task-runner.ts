import type { AgentConfig } from '#libs/contracts';
import { type Clock, deadline, DomainError, toProblem } from '#libs/kernel';
import { costOf, type ModelEvent, type ModelRouter, ModelTimeout } from '#libs/providers';
import type { Logger } from '#libs/telemetry';
import { TaskAborted, TaskInterrupted } from '../errors.js';
import { LIMITS } from '../limits.js';
import type { Metrics } from '../metrics.js';
import type { ConversationsRepository, KeptFrame, TaskEnd, TaskRecord } from '../store/conversations.repository.js';
import { systemPrompt, withinBudget } from './context.js';
import { DeltaWindow } from './delta-window.js';
import type { FrameFeed } from './frame-feed.js';
import type { ModelEndpoints } from './model-endpoints.js';

type Finish = Extract<ModelEvent, { type: 'finish' }>;

interface Running {
  readonly task: string;
  readonly controller: AbortController;
  readonly ended: Promise<void>;
}

/** Why a run stops that is not an end of the task: it stays pending and is begun again later. */
class PutBack extends Error {}

export interface RunnerParts {
  readonly conversations: ConversationsRepository;
  readonly feed: FrameFeed;
  readonly router: ModelRouter;
  readonly endpoints: ModelEndpoints;
  readonly agent: () => AgentConfig;
  readonly clock: Clock;
  readonly metrics: Metrics;
  readonly logger: Logger;
  /** Called after each run, however it ended. */
  readonly ended: () => void;
}

/**
 * Runs the tasks of one agent: one at a time per session, in the order of acceptance, sessions beside each other. The task
 * table is the queue, so a crash loses none; a task that was cut off is begun again from its message (`reset`).
 */
export class TaskRunner {
  readonly #running = new Map<string, Running>();
  #stopping = false;
  /** Set while nothing is begun because storage failed. */
  #stalled: NodeJS.Timeout | undefined;

  constructor(private readonly parts: RunnerParts) {}

  /** Running tasks; what waits for storage counts as one. */
  get active(): number {
    return this.#running.size + (this.#stalled ? 1 : 0);
  }

  /** Begins the session's next task unless one is running. Never throws: a broken database must not end the process. */
  kick(session: string): void {
    if (this.#stopping || this.#stalled || this.#running.has(session)) return;
    try {
      const task = this.parts.conversations.nextTask(session);
      if (task) this.#start(task);
    } catch (error) {
      this.parts.logger.error({ agentId: this.parts.agent().agentId, err: error }, 'next task could not be read');
    }
  }

  #start(task: TaskRecord): void {
    const controller = new AbortController();
    const ended = this.#run(task, controller).finally(() => {
      this.#running.delete(task.session);
      this.parts.ended();
      this.kick(task.session);
    });
    this.#running.set(task.session, { task: task.task, controller, ended });
  }

  /** After a start: whatever had not ended goes on. */
  resumeAll(): void {
    for (const session of this.parts.conversations.sessionsWithOpenTasks()) this.kick(session);
  }

  /** Stops a running or waiting task; false when it has ended already. */
  abort(task: TaskRecord): boolean {
    const running = this.#running.get(task.session);
    if (running?.task === task.task) {
      running.controller.abort(new TaskAborted());
      return true;
    }
    if (task.status !== 'pending') return false;
    this.#end(task, this.#failure(new TaskAborted(), ''));
    return true;
  }

  /** Begins nothing any more; what runs has `graceMs` to end, then it is put back. Resolves once nothing runs. */
  async stop(graceMs: number): Promise<void> {
    this.#stopping = true;
    clearTimeout(this.#stalled);
    this.#stalled = undefined;
    const running = [...this.#running.values()];
    const timer = setTimeout(() => {
      for (const { controller } of running) controller.abort(new PutBack());
    }, graceMs);
    await Promise.all(running.map(({ ended }) => ended));
    clearTimeout(timer);
  }

  async #run(task: TaskRecord, controller: AbortController): Promise<void> {
    let text = '';
    const deltas = new DeltaWindow(LIMITS.deltaWindow, (delta) => this.#sendDelta(task, delta, controller));
    try {
      this.#begin(task);
      const finish = await this.#answer(task, controller.signal, (delta) => {
        text += delta;
        deltas.push(delta);
      });
      deltas.flush();
      this.#end(task, this.#success(text, finish));
    } catch (error) {
      this.#endBadly(task, error, text, deltas);
    }
  }

  #begin(task: TaskRecord): void {
    if (task.attempts >= LIMITS.attempts) throw new TaskInterrupted();
    const { conversations, feed, metrics } = this.parts;
    const reset = conversations.db.transaction('fast', () => {
      conversations.begin(task.task);
      const sent = conversations.framesOf(task.session, task.task, task.acceptedSeq + 1).length > 0;
      if (!sent) return undefined;
      return feed.append(task.session, task.task, { type: 'response', task: task.task, delta: '', reset: true });
    });
    if (task.status === 'processing' || reset) metrics.add('tasks_resumed_total');
    if (reset) feed.publish(reset);
  }

  async #answer(task: TaskRecord, signal: AbortSignal, onDelta: (text: string) => void): Promise<Finish> {
    const agent = this.parts.agent();
    const { provider, name, maxOutputTokens } = agent.model;
    const endpoint = await this.parts.endpoints.resolve(provider, agent.agentId);
    const stored = this.parts.conversations.messages(task.session, LIMITS.contextMessages, task.n);
    const messages = withinBudget(stored, LIMITS.contextTokens);
    const system = systemPrompt(agent, task, this.parts.clock.now());
    const call = { model: name, maxOutputTokens, system, messages, task: task.task };
    const began = performance.now();
    const whole = deadline(LIMITS.task, signal);
    let finish: Finish | undefined;
    let first = true;
    for await (const event of this.parts.router.stream(provider, call, endpoint, whole)) {
      if (first) this.parts.metrics.firstToken((performance.now() - began) / 1000);
      first = false;
      if (event.type === 'delta') onDelta(event.text);
      else if (event.type === 'finish') finish = event;
    }
    return finish!;
  }

  #sendDelta(task: TaskRecord, delta: string, controller: AbortController): void {
    const { conversations, feed } = this.parts;
    try {
      const frame: KeptFrame = { type: 'response', task: task.task, delta };
      feed.publish(conversations.db.transaction('fast', () => feed.append(task.session, task.task, frame)));
    } catch (error) {
      // Called by a timer too, where nobody could catch: the run ends with the error.
      controller.abort(error);
    }
  }

  #success(text: string, finish: Finish): TaskEnd {
    const { provider, name } = this.parts.agent().model;
    const model = provider === 'offline' ? 'offline' : name;
    const cost = finish.estimated && provider !== 'offline' ? null : costOf(model, finish.usage);
    this.parts.metrics.add('input_tokens_total', finish.usage.inputTokens);
    this.parts.metrics.add('output_tokens_total', finish.usage.outputTokens);
    return { status: 'completed', text, model, usage: finish.usage, cost, error: null, at: this.#now() };
  }

  #failure(error: unknown, text: string): TaskEnd {
    const known =
      error instanceof DOMException && error.name === 'TimeoutError' ? new ModelTimeout(LIMITS.task / 1000) : error;
    const { code, detail } = toProblem(known);
    const retryAfter = known instanceof DomainError ? (known.retryAfter ?? null) : null;
    const status = known instanceof TaskAborted ? 'aborted' : 'failed';
    const at = this.#now();
    return { status, text, model: null, usage: null, cost: null, error: { code, message: detail, retryAfter }, at };
  }

  #endBadly(task: TaskRecord, error: unknown, text: string, deltas: DeltaWindow): void {
    const fields = { agentId: this.parts.agent().agentId, task: task.task };
    const expected = error instanceof TaskAborted || error instanceof PutBack;
    if (!expected) this.parts.logger.warn({ ...fields, err: error }, 'task failed');
    try {
      if (error instanceof PutBack) {
        deltas.drop();
        return this.parts.conversations.putBack(task.task);
      }
      deltas.flush();
      this.#end(task, this.#failure(error, text));
    } catch (cause) {
      // The database itself fails (disk full): the task stays open in it and is begun again.
      deltas.drop();
      this.parts.logger.error({ ...fields, err: cause }, 'task end could not be stored; agent waits');
      this.#stall();
    }
  }

  #stall(): void {
    if (this.#stopping || this.#stalled) return;
    this.#stalled = setTimeout(() => {
      this.#stalled = undefined;
      try {
        this.resumeAll();
      } catch (error) {
        this.parts.logger.error({ agentId: this.parts.agent().agentId, err: error }, 'agent still waits');
        this.#stall();
      }
    }, LIMITS.storeRetry).unref();
  }

  /** The end of a task, its answer and its last frame: one transaction, so a message is answered once. */
  #end(task: TaskRecord, end: TaskEnd): void {
    const { conversations, feed, metrics } = this.parts;
    const kept = conversations.db.transaction('durable', () => {
      conversations.end(task.task, end);
      conversations.touchSession(task.session, end.at);
      conversations.pruneFrames(task.session);
      return feed.append(task.session, task.task, lastFrame(task.task, end));
    });
    metrics.add(`tasks_${end.status}_total`);
    feed.publish(kept);
  }

  #now(): string {
    return this.parts.clock.now().toISOString();
  }
}

function lastFrame(task: string, end: TaskEnd): KeptFrame {
  if (end.error) {
    const { code, message, retryAfter } = end.error;
    return { type: 'error', task, code, message, ...(retryAfter === null ? {} : { retryAfter }) };
  }
  return { type: 'done', task, text: end.text, usage: end.usage!, cost: end.cost, model: end.model! };
}
