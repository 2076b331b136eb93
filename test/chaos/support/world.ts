import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { cp, rename, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import type { MemberView, SessionView } from '#libs/contracts';
import { delay } from '#libs/kernel';
import { Api } from '../../support/api.js';
import { chat, session } from '../../support/chat.js';
import { type Model, startModel } from '../../support/model.js';
import { type DriverName, type StackOptions, TestStack } from '../../support/stack.js';
import { Drill } from './drill.js';

const BUNDLE = resolve(import.meta.dirname, '../../../dist/gateway');

/** `good`: the same software elsewhere. `bad`: passes its rehearsal and then ends at its start. `unusable`: ends on the copy. */
export type Bundle = 'good' | 'bad' | 'unusable';

/** A stack under drill, and what scenarios do with it. */
export class World {
  private constructor(
    readonly model: Model,
    readonly drill: Drill,
    readonly stack: TestStack,
  ) {}

  static async start(driver: DriverName, more: Omit<StackOptions, 'driver'> = {}): Promise<World> {
    const [model, drill] = [await startModel(), await Drill.create()];
    const env = { ...model.env, ...drill.env, ...more.env };
    const stack = await TestStack.start({ ...more, driver, env });
    return new World(model, drill, stack);
  }

  get api(): Api {
    return new Api(this.stack.file);
  }

  /** As the operator, through outages of the control plane. */
  async operator<T>(method: string, path: string, body?: unknown): Promise<T> {
    const type: Record<string, string> = body === undefined ? {} : { 'content-type': 'application/json' };
    // Routes of tenants are told which tenant the operator means.
    const tenant: Record<string, string> = path.startsWith('/v1/admin/')
      ? {}
      : { 'wirebot-tenant': this.stack.file.tenant.id };
    const headers = { ...(await this.#session()), ...type, ...tenant };
    return this.#insist(async () => {
      const response = await fetch(this.stack.file.controlPlane.url + path, {
        method,
        headers,
        body: body === undefined ? null : JSON.stringify(body),
        signal: AbortSignal.timeout(30_000),
      });
      const text = await response.text();
      if (response.status >= 500) throw new Error(`${method} ${path} answered ${response.status}: ${text}`);
      assert(response.status < 400, `${method} ${path} answered ${response.status}: ${text}`);
      return (text ? JSON.parse(text) : undefined) as T;
    });
  }

  async member(name: string): Promise<MemberView> {
    return (await this.api.call<MemberView>('GET', `/v1/members/${name}`)).body;
  }

  /** Calls the API until it answers: a control plane that was just killed is back soon. The key makes repeats harmless. */
  async change(method: string, path: string, body: unknown, key: string): Promise<string | undefined> {
    const answer = await this.#insist(async () => {
      const tried = await this.api.call<{ operation: { id: string } | null; code?: string }>(method, path, body, {
        'idempotency-key': key,
      });
      // The process that was serving it has died: its place is kept for a moment.
      if (tried.body?.code === 'idempotency-in-progress') throw new Error('in progress');
      return tried;
    });
    assert(answer.status < 300, JSON.stringify(answer.body));
    return answer.body.operation?.id;
  }

  async put(name: string, tier: string, key = `${name}-${tier}`): Promise<string | undefined> {
    return this.change('PUT', `/v1/members/${name}`, { email: `${name}@example.com`, name, tier }, key);
  }

  async succeeded(operation: string | undefined): Promise<void> {
    if (!operation) return;
    const ended = await this.api.finished(operation, 90_000);
    assert.equal(ended.status, 'succeeded', JSON.stringify(ended));
  }

  /** Says something and expects the answer; resolves with the session. */
  async say(name: string, text: string, to?: string, key?: string): Promise<string> {
    const token = await this.#insist(() => this.api.token(name));
    const more = { ...(to ? { session: to } : {}), ...(key ? { idempotencyKey: key } : {}) };
    const answer = await chat(token, text, more);
    assert(answer.text.includes(text), answer.text);
    return answer.session;
  }

  /** How often each of these texts was said and answered in the session: once, or something was lost or repeated. */
  async answeredOnce(name: string, id: string, texts: readonly string[]): Promise<void> {
    const view: SessionView = await session(await this.api.token(name), id);
    for (const text of texts) {
      const count = (role: string) =>
        view.messages.filter((message) => message.role === role && message.text.includes(`${text}`)).length;
      assert.deepEqual([text, count('user'), count('assistant')], [text, 1, 1]);
    }
  }

  async until(holds: () => Promise<boolean>, limitMs = 60_000): Promise<void> {
    const end = Date.now() + limitMs;
    while (!(await holds())) {
      if (Date.now() > end) throw new Error(`not within ${limitMs / 1000} s`);
      await delay(50);
    }
  }

  /** A backup of the member's agent that is there and whole. */
  async backUp(name: string): Promise<string> {
    const path = `/v1/members/${name}/backups`;
    const { id } = await this.operator<{ id: string }>('POST', path, {});
    await this.until(async () => {
      const { status } = await this.operator<{ status: string }>('GET', `${path}/${id}`);
      assert.notEqual(status, 'failed');
      return status === 'succeeded';
    });
    return id;
  }

  /** Another gateway to upgrade to. */
  async bundle(kind: Bundle): Promise<string> {
    const folder = join(this.drill.folder, kind);
    const file = join(folder, 'gateway.mjs');
    if (existsSync(file)) return file;
    await cp(BUNDLE, folder, { recursive: true });
    if (kind === 'good') return file;
    await rename(file, join(folder, 'real.mjs'));
    const isCopy = "process.env.WIREBOT_GATEWAY_ID.endsWith('-r')";
    const ends = kind === 'bad' ? `!${isCopy}` : isCopy;
    await writeFile(file, `if (${ends}) process.exit(1);\nawait import('./real.mjs');\n`);
    return file;
  }

  async dispose(): Promise<void> {
    await this.stack.dispose();
    await this.model.api.close();
    await this.drill.dispose();
  }

  async #insist<T>(work: () => Promise<T>): Promise<T> {
    const end = Date.now() + 60_000;
    for (;;) {
      try {
        return await work();
      } catch (error) {
        if (Date.now() > end || error instanceof assert.AssertionError) throw error;
        await delay(100);
      }
    }
  }

  #signedIn: Record<string, string> | undefined;

  async #session(): Promise<Record<string, string>> {
    if (this.#signedIn) return this.#signedIn;
    const { admin, controlPlane } = this.stack.file;
    const response = await fetch(`${controlPlane.url}/v1/session`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', origin: controlPlane.url },
      body: JSON.stringify({ email: admin.email, password: admin.password }),
    });
    assert(response.status < 300, `signing in answered ${response.status}`);
    const cookie = response.headers
      .getSetCookie()
      .map((line) => line.split(';')[0])
      .join('; ');
    return (this.#signedIn = { cookie, origin: controlPlane.url });
  }
}
