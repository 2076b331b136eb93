import { describe, expect, it } from 'vitest';
import type { ServerFrame, SessionView } from '#libs/contracts';
import {
  applyFrame,
  asked,
  fromHistory,
  isForeign,
  isOpen,
  mergeHistory,
  withoutPartial,
  type Exchange,
} from './conversation.js';

const accepted: ServerFrame = { type: 'accepted', id: 'k1', task: 't1', session: 's', seq: 1 };
const delta = (text: string, seq: number): ServerFrame => ({ type: 'response', task: 't1', seq, delta: text });
const done: ServerFrame = {
  type: 'done',
  task: 't1',
  seq: 9,
  text: 'The whole',
  usage: { inputTokens: 1, outputTokens: 1 },
  cost: null,
  model: 'm',
};
const run = (...frames: ServerFrame[]): Exchange =>
  frames.reduce(applyFrame, [asked('k1', 'Why?')] as readonly Exchange[])[0]!;

const history = (status: SessionView['messages'][number]['status'], answer?: string): SessionView => {
  const common = { at: '2026-01-01T00:00:00Z', task: 't1', status };
  const messages = [
    { role: 'user' as const, text: 'Why?', ...common },
    ...(answer === undefined ? [] : [{ role: 'assistant' as const, text: answer, ...common }]),
  ];
  return { session: 's', title: null, createdAt: common.at, updatedAt: common.at, seq: 4, messages };
};

describe('applyFrame', () => {
  it('follows a message from sending to done', () => {
    expect(run().status).toBe('sending');
    expect(run(accepted)).toMatchObject({ status: 'accepted', task: 't1' });
    expect(run(accepted, delta('The ', 2), delta('who', 3))).toMatchObject({ status: 'streaming', answer: 'The who' });
  });

  it('begins an answer again when its gateway did', () => {
    const reset: ServerFrame = { type: 'response', task: 't1', seq: 4, delta: '', reset: true };
    expect(run(accepted, delta('Half an ', 2), delta('ans', 3), reset, delta('The ', 5))).toMatchObject({
      status: 'streaming',
      answer: 'The ',
    });
  });

  it('takes the final text over what it collected', () => {
    expect(run(accepted, delta('Teh', 2), done)).toMatchObject({ status: 'done', answer: 'The whole' });
  });

  it('names the tool that runs, until it has ended', () => {
    const tool = (status: 'running' | 'succeeded'): ServerFrame => ({
      type: 'tool',
      task: 't1',
      seq: 2,
      name: 'calendar',
      status,
    });
    expect(run(accepted, tool('running')).tool).toBe('calendar');
    expect(run(accepted, tool('running'), tool('succeeded')).tool).toBeNull();
  });

  it('fails a message that was refused before it was accepted', () => {
    const refused: ServerFrame = {
      type: 'error',
      id: 'k1',
      code: 'message-limit-reached',
      message: 'Wait.',
      retryAfter: 60,
    };
    expect(run(refused)).toMatchObject({ status: 'failed', error: { code: 'message-limit-reached', retryAfter: 60 } });
  });

  it('keeps what was written of an answer that was stopped, without an error', () => {
    const stopped: ServerFrame = { type: 'error', task: 't1', seq: 3, code: 'task-aborted', message: 'Stopped.' };
    expect(run(accepted, delta('Half', 2), stopped)).toMatchObject({ status: 'aborted', answer: 'Half', error: null });
  });

  it('does not fail an answer that is already complete', () => {
    expect(run(accepted, done, { type: 'error', task: 't1', code: 'x', message: 'late' }).status).toBe('done');
  });

  it('keeps the identity of everything a frame does not concern', () => {
    const before = [asked('k0', 'Other'), asked('k1', 'Why?')];
    const after = applyFrame(before, accepted);
    expect(after[0]).toBe(before[0]);
    expect(applyFrame(after, { type: 'heartbeat', at: '' })).toBe(after);
  });
});

describe('history', () => {
  it('joins question and answer by their task', () => {
    expect(fromHistory(history('completed', 'Because.'))).toEqual([
      expect.objectContaining({ key: 't1', question: 'Why?', answer: 'Because.', status: 'done' }),
    ]);
  });

  it('takes an unfinished answer from its frames, not twice', () => {
    const [exchange] = fromHistory(history('processing', 'Beca'));
    expect(exchange).toMatchObject({ answer: '', status: 'accepted' });
    expect(applyFrame([exchange!], delta('Because', 2))[0]!.answer).toBe('Because');
  });

  it('says that an earlier answer failed', () => {
    expect(fromHistory(history('failed'))[0]).toMatchObject({ status: 'failed', error: { code: 'failed-earlier' } });
  });
});

describe('another window of the same member', () => {
  it('is noticed by a task that this page did not start', () => {
    const mine = [{ ...asked('k1', 'Why?'), task: 't1' }];
    expect(isForeign(mine, accepted)).toBe(false);
    expect(isForeign(mine, { ...accepted, id: 'k2', task: 't2' })).toBe(true);
    expect(isForeign(mine, { type: 'heartbeat', at: '' })).toBe(false);
  });

  it('brings its exchange in, keeps the own ones and what is not sent yet', () => {
    const mine = { ...asked('k1', 'Mine'), task: 't0', answer: 'Hal', status: 'streaming' as const };
    const unsent = asked('k2', 'Next');
    const stored = [
      { ...mine, key: 't0', answer: '', status: 'accepted' as const },
      ...fromHistory(history('processing')),
    ];
    const merged = mergeHistory([mine, unsent], stored);
    expect(merged.map((exchange) => exchange.key)).toEqual(['k1', 't1', 'k2']);
    expect(merged[0]!.answer).toBe('Hal');
  });

  it('does not show a hole in an answer whose middle was missed', () => {
    const holed = withoutPartial({ ...asked('k1', 'Mine'), task: 't1', answer: 'Bec', status: 'streaming' });
    const [later] = applyFrame([holed], delta('of it', 90));
    expect(later).toMatchObject({ answer: '', status: 'accepted' });
  });

  it('shows no answer whose beginning was missed, until it is whole', () => {
    const merged = mergeHistory([], fromHistory(history('processing')));
    const later = applyFrame(merged, delta('cause', 5));
    expect(later[0]).toMatchObject({ answer: '', status: 'accepted' });
    expect(isOpen(later[0]!)).toBe(true);
    expect(applyFrame(later, done)[0]).toMatchObject({ answer: 'The whole', status: 'done' });
  });
});
