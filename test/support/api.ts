import { randomUUID } from 'node:crypto';
import type { MemberView, OperationView, StackFile, TokenView } from '#libs/contracts';
import { delay } from '#libs/kernel';

export interface Answer<T> {
  readonly status: number;
  readonly headers: Headers;
  readonly body: T;
}

export interface Change {
  readonly member: MemberView;
  readonly operation: OperationView | null;
}

/** The public API as a membership site's server calls it; answers are returned whatever their status. */
export class Api {
  constructor(
    private readonly stack: StackFile,
    readonly key = stack.tenant.apiKey,
  ) {}

  async call<T>(
    method: string,
    path: string,
    body?: unknown,
    headers: Record<string, string> = {},
  ): Promise<Answer<T>> {
    const response = await fetch(this.stack.controlPlane.url + path, {
      method,
      headers: {
        authorization: `Bearer ${this.key}`,
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...headers,
      },
      body: body === undefined ? null : typeof body === 'string' ? body : JSON.stringify(body),
      signal: AbortSignal.timeout(30_000),
    });
    const text = await response.text();
    return { status: response.status, headers: response.headers, body: (text ? JSON.parse(text) : undefined) as T };
  }

  async put(externalId: string, tier: string, more: object = {}): Promise<Answer<Change>> {
    const body = { email: `${externalId}@example.com`, name: externalId, tier, ...more };
    return this.call('PUT', `/v1/members/${externalId}`, body, { 'idempotency-key': randomUUID() });
  }

  async operation(id: string): Promise<OperationView> {
    return (await this.call<OperationView>('GET', `/v1/operations/${id}`)).body;
  }

  /** Waits for the end of an operation, through outages of the control plane. */
  async finished(id: string, limitMs = 60_000): Promise<OperationView> {
    const end = Date.now() + limitMs;
    let last: OperationView | undefined;
    while (Date.now() < end) {
      last = await this.operation(id).catch(() => undefined);
      if (last && last.status !== 'pending' && last.status !== 'running') return last;
      await delay(50);
    }
    throw new Error(`operation ${id} did not end in ${limitMs} ms: ${JSON.stringify(last)}`);
  }

  /** Provisions a member and waits until its agent answers. */
  async provisioned(externalId: string, tier: string): Promise<MemberView> {
    const { body, status } = await this.put(externalId, tier);
    if (status !== 202 && status !== 200) throw new Error(`PUT answered ${status}: ${JSON.stringify(body)}`);
    if (body.operation) {
      const operation = await this.finished(body.operation.id);
      if (operation.status !== 'succeeded') throw new Error(`provisioning failed: ${JSON.stringify(operation)}`);
    }
    return (await this.call<MemberView>('GET', `/v1/members/${externalId}`)).body;
  }

  async token(externalId: string): Promise<TokenView> {
    const answer = await this.call<TokenView>('POST', '/v1/tokens', { member: externalId, surface: 'web' });
    if (answer.status !== 201)
      throw new Error(`POST /v1/tokens answered ${answer.status}: ${JSON.stringify(answer.body)}`);
    return answer.body;
  }
}
