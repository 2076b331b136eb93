import { afterEach, describe, expect, it } from 'vitest';
import { StackStandIn, type Fault } from './stand-in.js';
import { Story } from './story.js';
import { Transcript } from './transcript.js';

const CAST = { shared: 'ada', dedicated: 'grace' };
let standIn: StackStandIn;

afterEach(() => standIn.stop());

async function tell(fault: Fault, busyFor = 0) {
  standIn = new StackStandIn(fault);
  standIn.busyFor = busyFor;
  let printed = '';
  const out = new Transcript(false, (text) => (printed += text));
  const story = new Story(await standIn.start(), out, AbortSignal.timeout(30_000));
  const ended = story.tell(CAST).then(
    (links) => ({ links, failure: undefined }),
    (error: unknown) => ({ links: undefined, failure: String(error) }),
  );
  return { ...(await ended), printed: () => printed, steps: out.steps.map((step) => step.name) };
}

describe('the demo', () => {
  it('does the whole job against a stack that keeps its contract', async () => {
    const { failure, links, steps, printed } = await tell('none');
    expect(failure).toBeUndefined();
    expect(links).toEqual({ ada: 'http://127.0.0.1/#code=once' });
    expect(steps).toEqual([
      'ready',
      'provision-shared',
      'provision-dedicated',
      'chat-shared',
      'chat-dedicated',
      'chat-json',
      'chat-sse',
      'tier-change',
      'conversation-intact',
      'chat-after-move',
      'cancel',
      'sign-in-link',
    ]);
    expect(printed()).toContain('One thing first.');
    expect(printed()).not.toContain('token-ada');
  });

  it('waits for an agent that is busy for a moment', async () => {
    expect((await tell('none', 2)).failure).toBeUndefined();
  });

  it.each([
    ['forgets', 'differ from those before'],
    ['still-answers', 'still answers after the cancellation'],
    ['operation-fails', 'Start the engine.'],
    ['wrong-placement', 'not on a dedicated one'],
    ['garbled-stream', 'not what was streamed'],
    ['answers-elsewhere', 'another session'],
  ] as const)('fails on a stack that is wrong: %s', async (fault, reason) => {
    expect((await tell(fault)).failure).toContain(reason);
  });
});
