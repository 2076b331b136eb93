import { isDeepStrictEqual } from 'node:util';
import type { MemberView, OperationView, SessionView, StackFile } from '#libs/contracts';
import { delay } from '#libs/kernel';
import { askBySocket } from './chat-socket.js';
import { AgentClient, SiteClient, type NewMember } from './client.js';
import { expect, Refused } from './errors.js';
import { inWords, type Transcript } from './transcript.js';

/** How long a cancelled agent may still be known somewhere, in milliseconds. */
const GONE_WITHIN = 5_000;

export interface Cast {
  readonly shared: string;
  readonly dedicated: string;
}

/** The main job as a membership site and its members see it, step by step; every step says what it proves. */
export class Story {
  readonly #site: SiteClient;
  readonly firstTokens: Record<string, number> = {};

  constructor(
    private readonly stack: StackFile,
    private readonly out: Transcript,
    private readonly signal: AbortSignal,
  ) {
    this.#site = new SiteClient(stack, signal);
  }

  async tell(cast: Cast): Promise<Record<string, string>> {
    await this.out.step('ready', 'The stack is ready', () => this.#site.isReady());
    const ada = { email: 'ada@example.com', name: 'Ada', tier: 'freewire' };
    await this.#put('provision-shared', 'joins on', cast.shared, ada, 'shared');
    await this.#put(
      'provision-dedicated',
      'joins on',
      cast.dedicated,
      { email: 'grace@example.com', name: 'Grace', tier: 'sovereign' },
      'dedicated',
    );
    const session = await this.#stream('chat-shared', cast.shared, 'What should I focus on today?');
    await this.#stream('chat-dedicated', cast.dedicated, 'I want to launch a course. Where do I begin?');
    await this.#json(cast.shared, session);
    await this.#events(cast.shared, session);
    await this.#upgrade(cast.shared, ada, session);
    await this.#cancel(cast.dedicated);
    return this.#links(cast);
  }

  #put(name: string, verb: string, externalId: string, member: NewMember, kind: string): Promise<void> {
    return this.out.step(name, `${member.name} ${verb} ${member.tier}: PUT /v1/members/${externalId}`, async () => {
      const { member: view, operation } = await this.#site.putMember(externalId, member);
      this.out.fact('member', view.id);
      await this.#follow(operation);
      await this.#expectPlaced(externalId, kind);
    });
  }

  async #expectPlaced(externalId: string, kind: string): Promise<MemberView> {
    const member = await this.#site.getMember(externalId);
    expect(
      member.gateway?.kind === kind,
      `${externalId} is on a ${member.gateway?.kind ?? 'missing'} gateway, not on a ${kind} one`,
    );
    this.out.fact('gateway', `${member.gateway.id}, ${member.gateway.kind}, ${member.gateway.phase}`);
    return member;
  }

  async #follow(operation: OperationView | null): Promise<void> {
    if (!operation) return this.out.fact('operation', 'none needed, nothing changed');
    this.out.fact('operation', `${operation.id}, ${operation.kind}`);
    const shown = new Set<string>();
    const ended = await this.#site.follow(operation.id, (now) => this.#showSteps(now, shown));
    this.#showSteps(ended, shown);
    expect(ended.status === 'succeeded', `${ended.kind} ${ended.status}: ${ended.error?.message ?? 'no reason given'}`);
  }

  #showSteps(operation: OperationView, shown: Set<string>): void {
    for (const step of operation.steps) {
      if (step.status === 'pending' || step.status === 'running' || shown.has(step.name)) continue;
      shown.add(step.name);
      const took =
        step.startedAt && step.finishedAt ? inWords(Date.parse(step.finishedAt) - Date.parse(step.startedAt)) : '';
      this.out.fact(`  ${step.name}`, [step.status, took, step.detail].filter(Boolean).join(', '));
    }
  }

  #stream(name: string, externalId: string, text: string, session?: string): Promise<string> {
    return this.out.step(name, `${externalId} asks by WebSocket: ${text}`, async () => {
      const access = await this.#site.createToken(externalId);
      this.out.fact('address', access.wsUrl);
      const answer = await askBySocket(access, { text, session }, (delta) => this.out.piece(delta), this.signal);
      this.out.endOfAnswer();
      expect(answer.text.trim() !== '', 'the answer is empty');
      this.firstTokens[name] = Math.round(answer.firstToken);
      this.out.fact(
        'first token',
        `${inWords(answer.firstToken)}, whole answer ${inWords(answer.total)}, model ${answer.model}`,
      );
      return answer.session;
    });
  }

  async #agent(externalId: string): Promise<AgentClient> {
    return new AgentClient(await this.#site.createToken(externalId), this.signal);
  }

  #json(externalId: string, session: string): Promise<void> {
    return this.out.step('chat-json', 'The same conversation by POST /chat as JSON', async () => {
      const agent = await this.#agent(externalId);
      const answer = await agent.chat({ text: 'And after that?', session });
      expect(answer.session === session, 'POST /chat answered in another session');
      expect(answer.text.trim() !== '', 'the answer is empty');
      this.out.piece(answer.text);
      this.out.fact('tokens', `${answer.usage.inputTokens} in, ${answer.usage.outputTokens} out`);
    });
  }

  #events(externalId: string, session: string): Promise<void> {
    return this.out.step('chat-sse', 'The same conversation by POST /chat as an event stream', async () => {
      const agent = await this.#agent(externalId);
      let collected = '';
      let final: string | undefined;
      for await (const frame of agent.chatStream({ text: 'Sum it up in one sentence.', session })) {
        if (frame.type === 'response') this.out.piece(frame.delta);
        if (frame.type === 'response') collected += frame.delta;
        if (frame.type === 'done') final = frame.text;
        expect(
          frame.type !== 'error',
          `the stream ended with an error: ${frame.type === 'error' ? frame.message : ''}`,
        );
      }
      expect(final !== undefined && final.trim() !== '', 'the stream ended without a final answer');
      expect(final === collected, 'the final answer is not what was streamed');
    });
  }

  async #upgrade(externalId: string, member: NewMember, session: string): Promise<void> {
    const before = await (await this.#agent(externalId)).getSession(session);
    await this.#put('tier-change', 'moves up to', externalId, { ...member, tier: 'sovereign' }, 'dedicated');
    await this.out.step('conversation-intact', `The conversation of ${externalId} moved along`, async () => {
      const after = await (await this.#agent(externalId)).getSession(session);
      expect(before.messages.length >= 6, `the session held ${before.messages.length} messages before the move, not 6`);
      expect(isDeepStrictEqual(spoken(after), spoken(before)), 'the messages differ from those before the tier change');
      this.out.fact('messages', `${after.messages.length}, equal to those before the tier change`);
    });
    const same = await this.#stream('chat-after-move', externalId, 'Do you still know what we spoke about?', session);
    expect(same === session, 'the follow-up went into another session');
    const grown = await (await this.#agent(externalId)).getSession(session);
    expect(
      grown.messages.length === before.messages.length + 2,
      'the follow-up was not added to the conversation once',
    );
  }

  #cancel(externalId: string): Promise<void> {
    return this.out.step('cancel', `${externalId} is cancelled and answers no more`, async () => {
      const agent = await this.#agent(externalId);
      const { operation } = await this.#site.cancelMember(externalId);
      await this.#follow(operation);
      const chat = await this.#refusal('the agent', () => agent.chat({ text: 'Are you there?' }, false));
      this.out.fact('POST /chat', `${chat.status} ${chat.code}`);
      const token = await this.#refusal('the token endpoint', () => this.#site.createToken(externalId, false));
      this.out.fact('POST /v1/tokens', `${token.status} ${token.code}`);
    });
  }

  /** The refusal that a call ends in. What is still answered a moment later is a failure. */
  async #refusal(what: string, attempt: () => Promise<unknown>): Promise<Refused> {
    const until = Date.now() + GONE_WITHIN;
    for (;;) {
      const refused = await attempt().then(() => undefined, toRefusal);
      if (refused && refused.status >= 400 && refused.status < 500) return refused;
      expect(
        Date.now() < until,
        `${what} still ${refused ? `says ${refused.status} ${refused.code}` : 'answers'} after the cancellation`,
      );
      await delay(200, this.signal);
    }
  }

  #links(cast: Cast): Promise<Record<string, string>> {
    return this.out.step('sign-in-link', 'Open the chat in a browser (the link works once)', async () => {
      const { url, expiresAt } = await this.#site.createSignInLink(cast.shared);
      this.out.fact('Ada', url);
      this.out.fact('works until', expiresAt);
      this.out.fact('operator page', this.stack.admin.url);
      return { [cast.shared]: url };
    });
  }
}

const spoken = (session: SessionView) => session.messages.map(({ role, text, task }) => ({ role, text, task }));

function toRefusal(error: unknown): Refused {
  if (error instanceof Refused) return error;
  throw error;
}
