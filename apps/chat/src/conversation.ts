import type { ServerFrame, SessionView } from '#libs/contracts';

/** How far one question has come. Only `sending` may be sent again by the connection. */
export type ExchangeStatus = 'sending' | 'accepted' | 'streaming' | 'done' | 'failed' | 'aborted';

/** One question and its answer. */
export interface Exchange {
  /** Idempotency key of the message, or the task for a message that this page did not send. */
  readonly key: string;
  readonly task: string | null;
  readonly question: string;
  readonly answer: string;
  readonly status: ExchangeStatus;
  /** The tool that runs right now. */
  readonly tool: string | null;
  readonly error: { readonly code: string; readonly message: string; readonly retryAfter?: number } | null;
  /** This page missed the beginning of the answer: nothing is shown until the whole of it arrives. */
  readonly headless?: boolean;
}

export const isOpen = (exchange: Exchange): boolean =>
  exchange.status === 'sending' || exchange.status === 'accepted' || exchange.status === 'streaming';

const HISTORY_STATUS = {
  pending: 'accepted',
  processing: 'accepted',
  completed: 'done',
  failed: 'failed',
  aborted: 'aborted',
} as const;

const FAILED_EARLIER = { code: 'failed-earlier', message: 'This answer could not be finished.' };

/** Groups the stored messages into exchanges: a question and its answer share the task. */
export function fromHistory(view: SessionView): Exchange[] {
  const exchanges = new Map<string, Exchange>();
  for (const message of view.messages) {
    const known = exchanges.get(message.task) ?? blank(message.task);
    const status = HISTORY_STATUS[message.status];
    // What is stored of an unfinished answer comes again as frames.
    const answer = status === 'accepted' ? '' : message.text;
    const part = message.role === 'user' ? { question: message.text } : { answer };
    exchanges.set(message.task, { ...known, ...part, status, error: status === 'failed' ? FAILED_EARLIER : null });
  }
  return [...exchanges.values()];
}

/** Brings in what happened elsewhere: the history, with what this page knows better, and what it has not sent yet. */
export function mergeHistory(local: readonly Exchange[], history: readonly Exchange[]): Exchange[] {
  const byTask = new Map(local.map((exchange) => [exchange.task, exchange]));
  const stored = history.map((exchange) => {
    const known = byTask.get(exchange.task);
    if (!known) return isOpen(exchange) ? { ...exchange, headless: true } : exchange;
    return isOpen(exchange) ? known : { ...exchange, key: known.key };
  });
  return [...stored, ...local.filter((exchange) => exchange.task === null)];
}

/** Forgets the part of an answer that has a hole in it; the whole of it comes with `done` or the history. */
export const withoutPartial = (exchange: Exchange): Exchange =>
  exchange.task !== null && isOpen(exchange)
    ? { ...exchange, answer: '', status: 'accepted', headless: true }
    : exchange;

const blank = (task: string): Exchange => ({
  key: task,
  task,
  question: '',
  answer: '',
  status: 'accepted',
  tool: null,
  error: null,
});

export const asked = (key: string, question: string): Exchange => ({
  ...blank(key),
  task: null,
  question,
  status: 'sending',
});

/** True when the frame speaks of a task this page knows nothing about: another window asked, the history has the question. */
export function isForeign(exchanges: readonly Exchange[], frame: ServerFrame): boolean {
  if (frame.type === 'accepted') return !exchanges.some((e) => e.key === frame.id || e.task === frame.task);
  return 'task' in frame && frame.task !== undefined && !exchanges.some((e) => e.task === frame.task);
}

/** Applies one frame; frames arrive once and in order (the connection sees to it). Unknown tasks change nothing. */
export function applyFrame(exchanges: readonly Exchange[], frame: ServerFrame): readonly Exchange[] {
  switch (frame.type) {
    case 'accepted':
      return change(
        exchanges,
        (e) => e.key === frame.id,
        (e) => ({ ...e, task: frame.task, status: e.status === 'sending' ? 'accepted' : e.status }),
      );
    case 'response':
      // The gateway died in the middle and begins the answer again: what was shown of it is void.
      if (frame.reset) {
        return ofOpenTask(exchanges, frame.task, (e) => ({
          ...e,
          answer: frame.delta,
          status: 'streaming',
          headless: false,
        }));
      }
      return ofOpenTask(exchanges, frame.task, (e) =>
        e.headless ? e : { ...e, answer: e.answer + frame.delta, status: 'streaming', tool: null },
      );
    case 'tool':
      return ofOpenTask(exchanges, frame.task, (e) => ({ ...e, tool: frame.status === 'running' ? frame.name : null }));
    case 'done':
      // The final text is what the gateway stored: it wins over whatever was collected from deltas.
      return change(
        exchanges,
        (e) => e.task === frame.task,
        (e) => ({ ...e, answer: frame.text, status: 'done', tool: null, error: null, headless: false }),
      );
    case 'error':
      return applyError(exchanges, frame);
    default:
      return exchanges;
  }
}

function applyError(exchanges: readonly Exchange[], frame: ServerFrame & { type: 'error' }): readonly Exchange[] {
  const concerns = (e: Exchange) => (frame.task !== undefined ? e.task === frame.task : e.key === frame.id);
  const aborted = /abort|cancel/.test(frame.code);
  const error = aborted ? null : { code: frame.code, message: frame.message, retryAfter: frame.retryAfter };
  return change(
    exchanges,
    (e) => concerns(e) && isOpen(e),
    (e) => ({ ...e, status: aborted ? 'aborted' : 'failed', tool: null, error }),
  );
}

const ofOpenTask = (exchanges: readonly Exchange[], task: string, update: (exchange: Exchange) => Exchange) =>
  change(exchanges, (e) => e.task === task && isOpen(e), update);

/** Keeps the identity of everything that did not change, so that a view redraws only what did. */
function change(
  exchanges: readonly Exchange[],
  concerns: (exchange: Exchange) => boolean,
  update: (exchange: Exchange) => Exchange,
): readonly Exchange[] {
  return exchanges.some(concerns) ? exchanges.map((e) => (concerns(e) ? update(e) : e)) : exchanges;
}
