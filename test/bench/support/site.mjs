import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';

const LIMIT = 60_000;

/** What a membership site's server and a member's client do, without any patience that would blur the figures. */
export class Site {
  constructor(stack) {
    this.url = stack.controlPlane.url;
    this.key = stack.tenant.apiKey;
  }

  /** Asks for a member and follows the operation's event stream to its end. */
  async provision(name, tier) {
    const member = { email: `${name}@example.com`, name, tier };
    const { operation } = await this.#json('PUT', `/v1/members/${name}`, member);
    const accepted = performance.now();
    const { status, steps, error } = await this.#follow(operation.id);
    if (status !== 'succeeded') throw new Error(`provisioning ${name} ended as ${status}: ${JSON.stringify(error)}`);
    return { accepted, succeeded: performance.now(), steps };
  }

  member(name) {
    return this.#json('GET', `/v1/members/${name}`);
  }

  token(name) {
    return this.#json('POST', '/v1/tokens', { member: name, surface: 'api' });
  }

  async #follow(id) {
    const response = await this.#call('GET', `/v1/operations/${id}/events`);
    let text = '';
    for await (const chunk of response.body.pipeThrough(new TextDecoderStream())) {
      text += chunk;
      const done = /event: done\ndata: (.*)\n\n/.exec(text);
      if (done) return JSON.parse(done[1]);
    }
    return this.#json('GET', `/v1/operations/${id}`);
  }

  async #json(method, path, body) {
    return (await this.#call(method, path, body)).json();
  }

  async #call(method, path, body) {
    const response = await fetch(this.url + path, {
      method,
      headers: {
        authorization: `Bearer ${this.key}`,
        'idempotency-key': randomUUID(),
        ...(body ? { 'content-type': 'application/json' } : {}),
      },
      body: body && JSON.stringify(body),
      signal: AbortSignal.timeout(LIMIT),
    });
    if (!response.ok) throw new Error(`${method} ${path} answered ${response.status}: ${await response.text()}`);
    return response;
  }
}

/** POST /chat until the first 200; answers how many tries were turned away. */
export async function firstAnswer(token) {
  const key = randomUUID();
  for (let refused = 0; refused < 1_000; refused += 1) {
    const response = await fetch(`${token.url.replace(/\/$/, '')}/chat`, {
      method: 'POST',
      headers: { authorization: `Bearer ${token.token}`, 'content-type': 'application/json' },
      body: JSON.stringify({ text: 'hello', idempotencyKey: key }),
      signal: AbortSignal.timeout(LIMIT),
    });
    const text = await response.text();
    if (response.status === 200) return refused;
    if (response.status !== 404 && response.status < 500) throw new Error(`POST /chat: ${response.status} ${text}`);
    await delay(5);
  }
  throw new Error('the agent never answered');
}
