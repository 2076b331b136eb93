import { randomUUID } from 'node:crypto';
import type {
  ChatAnswer,
  ChatRequest,
  MemberView,
  OperationView,
  ServerFrame,
  SessionView,
  StackFile,
  TokenView,
} from '#libs/contracts';
import { delay } from '#libs/kernel';
import { ExpectationFailed } from './errors.js';
import { call, readEvents, TIMES } from './http.js';

export interface NewMember {
  readonly email: string;
  readonly name: string;
  readonly tier: string;
}

export interface Provisioned {
  readonly member: MemberView;
  /** Null when nothing had to change. */
  readonly operation: OperationView | null;
}

/** What a membership site's server does: members, operations and tokens, with the tenant's key. */
export class SiteClient {
  constructor(
    private readonly stack: StackFile,
    private readonly signal: AbortSignal,
  ) {}

  async isReady(): Promise<void> {
    await call(`${this.stack.controlPlane.url}/ready`, { bearer: this.stack.tenant.apiKey, signal: this.signal });
  }

  putMember(externalId: string, member: NewMember): Promise<Provisioned> {
    return this.#json('PUT', this.#member(externalId), member);
  }

  getMember(externalId: string): Promise<MemberView> {
    return this.#json('GET', this.#member(externalId));
  }

  cancelMember(externalId: string): Promise<Provisioned> {
    return this.#json('POST', `${this.#member(externalId)}/cancel`, {});
  }

  getOperation(id: string): Promise<OperationView> {
    return this.#json('GET', `/v1/operations/${id}`);
  }

  createToken(externalId: string, patient = true): Promise<TokenView> {
    return this.#json('POST', '/v1/tokens', { member: externalId, surface: 'api' }, patient);
  }

  createSignInLink(externalId: string): Promise<{ readonly url: string; readonly expiresAt: string }> {
    return this.#json('POST', `${this.#member(externalId)}/sign-in-links`, {});
  }

  /** Follows an operation to its end. `onChange` is called whenever the stream says that something moved. */
  async follow(id: string, onChange: (operation: OperationView) => void): Promise<OperationView> {
    const path = `${this.stack.controlPlane.url}/v1/operations/${id}/events`;
    const headers = { accept: 'text/event-stream' };
    const response = await call(path, { bearer: this.stack.tenant.apiKey, headers, signal: this.signal });
    for await (const { event, data } of readEvents(response)) {
      onChange(data as OperationView);
      if (event === 'done') break;
    }
    return this.#ended(id);
  }

  /** The stream is a convenience; the operation itself is what counts. */
  async #ended(id: string): Promise<OperationView> {
    const until = Date.now() + TIMES.patience;
    for (;;) {
      const operation = await this.getOperation(id);
      if (operation.status !== 'pending' && operation.status !== 'running') return operation;
      if (Date.now() > until)
        throw new ExpectationFailed(`${operation.kind} ${id} has not ended within ${TIMES.patience / 1000} s`);
      await delay(TIMES.retry, this.signal);
    }
  }

  #member(externalId: string): string {
    return `/v1/members/${encodeURIComponent(externalId)}`;
  }

  async #json<T>(method: string, path: string, body?: unknown, patient = true): Promise<T> {
    const headers: Record<string, string> = method === 'GET' ? {} : { 'idempotency-key': randomUUID() };
    const { apiKey } = this.stack.tenant;
    const response = await call(this.stack.controlPlane.url + path, {
      method,
      bearer: apiKey,
      body,
      headers,
      signal: this.signal,
      patient,
    });
    return (await response.json()) as T;
  }
}

/** What a member's own client does over HTTP, with a member token. The socket is in `chat-socket.ts`. */
export class AgentClient {
  readonly #base: string;

  constructor(
    readonly access: TokenView,
    private readonly signal: AbortSignal,
  ) {
    this.#base = access.url.replace(/\/$/, '');
  }

  async chat(request: ChatRequest, patient = true): Promise<ChatAnswer> {
    const response = await this.#post(request, 'application/json', patient);
    return (await response.json()) as ChatAnswer;
  }

  /** The same call as a stream of the chat protocol's frames. */
  async *chatStream(request: ChatRequest): AsyncGenerator<ServerFrame> {
    const response = await this.#post(request, 'text/event-stream', true);
    for await (const { data } of readEvents(response)) yield data as ServerFrame;
  }

  async getSession(id: string): Promise<SessionView> {
    const url = `${this.#base}/session/${encodeURIComponent(id)}`;
    return (await (await call(url, { bearer: this.access.token, signal: this.signal })).json()) as SessionView;
  }

  #post(request: ChatRequest, accept: string, patient: boolean): Promise<Response> {
    const body = { idempotencyKey: randomUUID(), ...request };
    const { token: bearer } = this.access;
    return call(`${this.#base}/chat`, {
      method: 'POST',
      bearer,
      body,
      headers: { accept },
      signal: this.signal,
      patient,
    });
  }
}
