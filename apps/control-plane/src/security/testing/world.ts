import { randomBytes, randomInt } from 'node:crypto';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { MEMBER_SCOPES } from '#libs/contracts';
import type { TestDatabase } from '#libs/testing';
import { mintKey } from '../../identity/api-key.js';
import { randomSecret, sha256 } from '../../identity/secrets.js';
import { SESSION_COOKIE } from '../../identity/sign-in/console-cookies.js';
import { Vault } from '../../secrets/vault.js';
import { ControlPlaneFixture } from '../../provisioning/testing/control-plane.fixture.js';

/** Headers that say who is calling. */
export type Credential = Readonly<Record<string, string>>;

export interface Answer {
  readonly status: number;
  readonly code: string | undefined;
  readonly body: string;
  readonly location?: string | undefined;
}

/** Somebody who has things of their own: a tenant by its key, a member by a token, or somebody signed in to a console. */
export interface Actor {
  readonly tenantId: string;
  readonly userId: string;
  readonly memberId: string;
  readonly workspaceId: string;
  /** The member's name at the tenant's own site. */
  readonly externalId: string;
  readonly credential: Credential;
  /** Calls with every right of the tenant; throws unless it succeeds. */
  call<T = Record<string, never>>(method: string, path: string, body?: object): Promise<T>;
  /** Calls as an operator; throws unless it succeeds. */
  operate<T = Record<string, never>>(method: string, path: string, body?: object): Promise<T>;
  sql<T extends object>(text: string, values?: unknown[]): Promise<T[]>;
  /** As the control plane keeps what it must be able to read again. */
  seal(text: string, context: string): Promise<Uint8Array>;
}

export const ORIGIN = 'http://127.0.0.1:4101';
const BRAND = { accent: '#3b5bdb', greeting: 'Hello' };

/** The whole control plane with two tenants that have everything, and everybody who might call it. */
export class World {
  #calls = 0;

  private constructor(
    readonly app: NestFastifyApplication,
    readonly database: TestDatabase,
    readonly operatorKey: string,
    private readonly fixture: ControlPlaneFixture,
  ) {}

  static async start(
    environment: Record<string, string>,
    prepare: (app: NestFastifyApplication) => void,
  ): Promise<World> {
    const fixture = await ControlPlaneFixture.start(environment, prepare);
    const world = new World(fixture.app, fixture.database, '', fixture);
    const key = await world.key(null, ['*']);
    return new World(fixture.app, fixture.database, key, fixture);
  }

  dispose(): Promise<void> {
    return this.fixture.dispose();
  }

  /** From an address of its own, so that no limit of wrong keys for one address is met. */
  async send(credential: Credential, method: string, url: string, body?: object): Promise<Answer> {
    this.#calls += 1;
    const remoteAddress = `10.${this.#calls >> 16}.${(this.#calls >> 8) & 255}.${this.#calls & 255}`;
    const payload = body === undefined ? {} : { payload: body };
    const answer = await this.app.inject({
      method: method as 'GET',
      url,
      headers: credential,
      remoteAddress,
      ...payload,
    });
    const { location } = answer.headers;
    return {
      status: answer.statusCode,
      code: codeOf(answer.body),
      body: answer.body,
      location: location && String(location),
    };
  }

  async must<T>(credential: Credential, method: string, path: string, body?: object): Promise<T> {
    const answer = await this.send(credential, method, path, body);
    if (answer.status >= 300) throw new Error(`${method} ${path}: ${answer.status} ${answer.body}`);
    return (answer.body === '' ? undefined : JSON.parse(answer.body)) as T;
  }

  /** A tenant with a member, whose token can be had, and an owner. */
  async tenant(slug: string): Promise<Actor> {
    const operator = bearer(this.operatorKey);
    const wanted = { slug, name: slug, template: 'network', ...BRAND };
    const { id: tenantId } = await this.must<{ id: string }>(operator, 'POST', '/v1/admin/tenants', wanted);
    const credential = bearer(await this.key(tenantId, ['*']));
    const call = <T>(method: string, path: string, body?: object) => this.must<T>(credential, method, path, body);
    const operate = <T>(method: string, path: string, body?: object) => this.must<T>(operator, method, path, body);
    const sql = <T extends object>(text: string, values?: unknown[]) =>
      this.database.query<T>(text, values) as Promise<T[]>;
    const seal = async (text: string, context: string) =>
      (await this.app.get(Vault, { strict: false }).seal(tenantId, text, context)).sealed;
    const userId = await this.user({ owner: tenantId });
    const nobody = { memberId: '', workspaceId: '', externalId: '' };
    return this.member({ tenantId, userId, ...nobody, credential, call, operate, sql, seal }, `site-${slug}`);
  }

  /** The same tenant, with another member. */
  async member(actor: Actor, externalId: string): Promise<Actor> {
    const put = { email: `${externalId}@example.com`, tier: 'wire' };
    const { member } = await actor.call<{ member: { id: string } }>('PUT', `/v1/members/${externalId}`, put);
    const [row] = await actor.sql<{ id: string }>('SELECT id FROM workspaces WHERE member_id = $1', [member.id]);
    return { ...actor, externalId, memberId: member.id, workspaceId: row!.id };
  }

  /** A key with exactly these scopes; `tenantId` null: an operator's. */
  async key(tenantId: string | null, scopes: readonly string[], readOnly = false): Promise<string> {
    const { key, prefix, secretHash } = mintKey(tenantId === null ? 'operator' : 'tenant');
    await this.database.query(
      `INSERT INTO api_keys (id, tenant_id, prefix, secret_hash, scopes, name, read_only) VALUES ($1, $2, $3, $4, $5, 'k', $6)`,
      [newId('key'), tenantId, prefix, secretHash, scopes, readOnly],
    );
    return key;
  }

  /** Somebody who can sign in: to the platform, to a tenant with a role, or to nothing at all. */
  async user(
    as: { readonly operator?: true; readonly owner?: string; readonly reader?: string } = {},
  ): Promise<string> {
    const id = newId('usr');
    await this.database.query(
      `INSERT INTO users (id, email, platform_role, email_verified_at) VALUES ($1, $2, $3, now())`,
      [id, `${id}@example.com`, as.operator ? 'operator' : null],
    );
    const tenantId = as.owner ?? as.reader;
    const role = as.owner ? 'owner' : 'read-only';
    if (tenantId)
      await this.database.query(`INSERT INTO tenant_staff (tenant_id, user_id, role) VALUES ($1, $2, $3)`, [
        tenantId,
        id,
        role,
      ]);
    return id;
  }

  /** The cookie of a session that was opened a moment ago, without an Origin. */
  async session(userId: string): Promise<Credential> {
    const cookie = randomSecret();
    await this.database.query(
      `INSERT INTO user_sessions (id, id_hash, user_id, address, user_agent, method, expires_at)
       VALUES ($1, $2, $3, '127.0.0.1', 'test', 'password', now() + interval '1 hour')`,
      [newId('uss'), sha256(cookie), userId],
    );
    return { cookie: `${SESSION_COOKIE}=${cookie}` };
  }

  async memberToken(actor: Actor): Promise<Credential> {
    const wanted = { member: actor.externalId, surface: 'web', scopes: [...MEMBER_SCOPES] };
    return bearer((await actor.call<{ token: string }>('POST', '/v1/tokens', wanted)).token);
  }

  /** All rows, or those that are about an actor, as one hash for each table: equal when nothing changed. */
  async snapshot(of?: Actor): Promise<Record<string, string>> {
    const tables = await this.database.query<{ name: string }>(
      `SELECT tablename AS name FROM pg_tables WHERE schemaname = 'public' ORDER BY 1`,
    );
    const mine = `x->>'tenant_id' = '${of?.tenantId}' OR x->>'user_id' = '${of?.userId}' OR x->>'id' IN ('${of?.tenantId}', '${of?.userId}')`;
    const hashes = tables.map(
      ({ name }) => `SELECT '${name}' AS name, md5(coalesce(string_agg(x::text, ',' ORDER BY x::text), '')) AS hash
        FROM (SELECT to_jsonb(t) - ARRAY['last_used_at', 'last_seen_at'] AS x FROM "${name}" t) rows ${of ? `WHERE ${mine}` : ''}`,
    );
    const rows = await this.database.query<{ name: string; hash: string }>(hashes.join(' UNION ALL '));
    return Object.fromEntries(rows.map(({ name, hash }) => [name, hash]));
  }

  /** The status alone of an answer that does not end. */
  async head(credential: Credential, method: string, path: string): Promise<Answer> {
    if (!this.app.getHttpServer().listening) await this.app.listen(0, '127.0.0.1');
    const abort = new AbortController();
    const answer = await fetch(`${await this.app.getUrl()}${path}`, {
      method,
      headers: credential,
      signal: abort.signal,
    });
    abort.abort();
    return { status: answer.status, code: undefined, body: '' };
  }
}

export const bearer = (token: string): Credential => ({ authorization: `Bearer ${token}` });

const ALPHABET = '0123456789abcdefghjkmnpqrstvwxyz';
export const newId = (prefix: string): string =>
  `${prefix}_${Array.from({ length: 26 }, () => ALPHABET[randomInt(ALPHABET.length)]).join('')}`;

/** A name of a thing that does not exist, of the same form as one that does. */
export function unknownLike(name: string): string {
  if (/^[a-z]+_[0-9a-z]{26}$/.test(name)) return newId(name.split('_')[0]!);
  if (/^wbi_[\w-]{43}$/.test(name)) return `wbi_${randomSecret()}`;
  return `${name}-${randomBytes(3).toString('hex')}`;
}

function codeOf(body: string): string | undefined {
  try {
    return (JSON.parse(body) as { code?: string } | null)?.code;
  } catch {
    return undefined; // not JSON: metrics, exports, streams
  }
}
