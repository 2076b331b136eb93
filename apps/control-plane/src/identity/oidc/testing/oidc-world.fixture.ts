import { freshDatabase } from '#libs/testing';
import { HttpEdgeModule } from '../../../http/http-edge.module.js';
import { startTestApp, type TestApp } from '../../../http/test-app.fixture.js';
import { ApiKeysService } from '../../api-keys.service.js';
import { IdentityModule } from '../../identity.module.js';
import { UsersService } from '../../users.service.js';
import { OidcModule } from '../oidc.module.js';
import { TestBrowser } from './browser.fixture.js';

export const HOME = 'http://127.0.0.1:4101';
export const PASSWORD = 'correct horse battery';

/** An application with identity providers, an operator's key, and people with browsers. */
export class OidcWorld {
  private constructor(
    readonly test: TestApp,
    readonly operatorKey: string,
  ) {}

  static async start(environment: Record<string, string> = {}): Promise<OidcWorld> {
    const modules = [HttpEdgeModule, IdentityModule, OidcModule];
    const test = await startTestApp(await freshDatabase(), modules, { environment });
    const { key } = await test.app.get(ApiKeysService).issue({ tenantId: null, name: 'operator', scopes: ['*'] });
    return new OidcWorld(test, key);
  }

  browser(): TestBrowser {
    return new TestBrowser(this.test.app, HOME);
  }

  /** An operator's call. */
  async admin<T = Record<string, unknown>>(
    method: 'GET' | 'POST' | 'PATCH' | 'DELETE',
    path: string,
    body?: object,
    headers: Record<string, string> = {},
  ): Promise<{ readonly status: number; readonly body: T; readonly headers: Record<string, unknown> }> {
    const answer = await this.test.app.inject({
      method,
      url: `/v1/admin/identity-providers${path}`,
      headers: { authorization: `Bearer ${this.operatorKey}`, ...headers },
      ...(body ? { payload: body } : {}),
    });
    const json = answer.body ? answer.json<T>() : (undefined as T);
    return { status: answer.statusCode, body: json, headers: answer.headers };
  }

  async offer(body: object): Promise<{ readonly id: string; readonly key: string }> {
    const answer = await this.admin<{ id: string; key: string }>('POST', '', body);
    if (answer.status !== 201) throw new Error(JSON.stringify(answer.body));
    return answer.body;
  }

  /** A user with a password, whose address was proved unless said otherwise. */
  async user(email: string, options: { readonly emailVerified?: boolean } = {}): Promise<string> {
    const { id } = await this.test.app.get(UsersService).ensure(email, PASSWORD);
    const at = options.emailVerified === false ? null : this.test.clock.now();
    await this.test.database.query('UPDATE users SET email_verified_at = $2 WHERE id = $1', [id, at]);
    return id;
  }

  /** A browser in which that user signed in with the password. */
  async signedIn(email: string): Promise<TestBrowser> {
    const browser = this.browser();
    const { status, body } = await browser.api('POST', '/v1/session', { email, password: PASSWORD });
    if (status !== 201) throw new Error(JSON.stringify(body));
    return browser;
  }

  async whoIs(browser: TestBrowser): Promise<string | undefined> {
    const { status, body } = await browser.api('GET', '/v1/session');
    return status === 200 ? (body as { user: { email: string } }).user.email : undefined;
  }

  async audited(action: string): Promise<{ actor: string; data: Record<string, unknown> }[]> {
    return this.test.database.query('SELECT actor, data FROM audit_entries WHERE action = $1 ORDER BY seq', [action]);
  }

  close(): Promise<void> {
    return this.test.close();
  }
}
