import { expect } from 'vitest';
import type { TestApp } from '../../http/test-app.fixture.js';
import { UsersService } from '../users.service.js';

export const PASSWORD = 'correct horse battery';
export const ORIGIN = 'http://console.example';

export interface Answer {
  readonly status: number;
  readonly body: Record<string, unknown>;
  readonly cookies: readonly string[];
  readonly headers: Record<string, unknown>;
}

let addresses = 0;

/** A browser with a console open: it keeps cookies, sends its Origin, and has a network address of its own. */
export class TestConsole {
  readonly jar = new Map<string, string>();
  readonly address: string;

  constructor(
    private readonly test: TestApp,
    options: { readonly address?: string; readonly jar?: ReadonlyMap<string, string> } = {},
  ) {
    addresses += 1;
    this.address = options.address ?? `10.1.${Math.floor(addresses / 250)}.${(addresses % 250) + 1}`;
    for (const [name, value] of options.jar ?? []) this.jar.set(name, value);
  }

  async call(
    method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE',
    url: string,
    payload?: object,
    headers: Record<string, string> = {},
  ): Promise<Answer> {
    const cookie = [...this.jar].map(([name, value]) => `${name}=${value}`).join('; ');
    const answer = await this.test.app.inject({
      method,
      url,
      remoteAddress: this.address,
      headers: {
        host: 'console.example',
        origin: ORIGIN,
        'user-agent': 'test browser',
        ...(cookie ? { cookie } : {}),
        ...headers,
      },
      ...(payload ? { payload } : {}),
    });
    const cookies = [answer.headers['set-cookie'] ?? []].flat();
    for (const line of cookies) this.#keep(line);
    const body = answer.body === '' ? {} : answer.json<Record<string, unknown>>();
    return { status: answer.statusCode, body, cookies, headers: answer.headers };
  }

  /** Signs in with e-mail and password. */
  signIn(email: string, password = PASSWORD): Promise<Answer> {
    return this.call('POST', '/v1/session', { email, password });
  }

  /** The status of asking who is signed in. */
  async status(): Promise<number> {
    return (await this.call('GET', '/v1/session')).status;
  }

  #keep(line: string): void {
    const [pair = ''] = line.split(';');
    const at = pair.indexOf('=');
    const [name, value] = [pair.slice(0, at), pair.slice(at + 1)];
    if (value === '') this.jar.delete(name);
    else this.jar.set(name, value);
  }
}

/** A user with a password, as an operator or without any role. */
export async function seedUser(test: TestApp, email: string, role: 'operator' | null = null): Promise<string> {
  const { id } = await test.app.get(UsersService, { strict: false }).ensure(email, PASSWORD);
  await test.database.query('UPDATE users SET platform_role = $2 WHERE id = $1', [id, role]);
  return id;
}

export const auditActions = async (test: TestApp, resourceId: string): Promise<string[]> => {
  const rows = await test.database.query<{ action: string }>(
    'SELECT action FROM audit_entries WHERE resource_id = $1 ORDER BY seq',
    [resourceId],
  );
  return rows.map((row) => row.action);
};

/**
 * What a flood of guesses must come to: some were looked at and no more than `most`, the others were turned away. On a busy
 * machine some of those find the counters too slow and get a 503, which is closed as well.
 */
export function expectAtMost(most: number, looked: string, turnedAway: string, answers: readonly Answer[]): void {
  const codes = answers.map(({ body }) => String(body['code']));
  const tried = codes.filter((code) => code === looked).length;
  expect(tried).toBeGreaterThan(0);
  expect(tried).toBeLessThanOrEqual(most);
  const others = new Set(codes.filter((code) => code !== looked));
  for (const code of ['coordination-unavailable', 'database-unavailable']) others.delete(code);
  expect([...others]).toEqual([turnedAway]);
}
