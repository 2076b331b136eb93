import { afterAll, describe, expect, it } from 'vitest';
import { createOpenApiDocument } from '../http/openapi.js';
import { TENANT_RESOURCES } from '../identity/roles.js';
import { type Cast, CONSOLE, type Denial, denialsOf, meetCallers } from './testing/denials.js';
import type { RouteCall } from './testing/route-call.js';
import { ROUTE_CALLS } from './testing/route-calls.js';
import { type DeclaredRoute, declaredRoutes, recordServerRoutes } from './testing/route-inventory.js';
import { type Actor, type Answer, bearer, type Credential, unknownLike, World } from './testing/world.js';

/**
 * Access, route by route: the whole control plane, every route it has. A route that is added later is in these tests without
 * anybody remembering it, and fails until `testing/route-calls.ts` says how to call it.
 */

/** Not of controllers. */
const BARE_ROUTES = ['GET /openapi.json'];
/** They change nothing, and ask with a body: for these the right to read is enough. */
const READS_WITH_A_BODY = ['POST /v1/admin/audit/verify', 'POST /v1/tiers/:key/preview'];

let serverRoutes = new Set<string>();
const world = await World.start(
  {
    WIREBOT_DRIVER: 'process',
    WIREBOT_ROLES: 'api',
    WIREBOT_REQUESTS_PER_MINUTE: '1000000',
    WIREBOT_WEBHOOKS_ALLOW_PRIVATE: 'true',
    // Nothing is sent: that is the worker's part.
    WIREBOT_SMTP_URL: 'smtp://127.0.0.1:9',
    WIREBOT_MAIL_FROM: 'wirebot@example.com',
  },
  (app) => {
    serverRoutes = recordServerRoutes(app);
  },
);
const routes = declaredRoutes(world.app);
const callable = routes.filter((route) => route.name in ROUTE_CALLS);
const own = await world.tenant('own');
const other = await world.tenant('other');
const sibling = await world.member(own, 'sibling');
const cast = await castOf();
const inTheName = { ...bearer(world.operatorKey), 'wirebot-tenant': own.tenantId };
const counts = { denied: 0, isolated: 0, let: 0 };

afterAll(async () => {
  const by = Map.groupBy(routes, (route) => route.access);
  const kinds = [...by].map(([access, list]) => `${access} ${list.length}`).join(', ');
  process.stdout.write(
    `routes: ${routes.length} (${kinds}); calls: ${counts.denied} turned away, ${counts.isolated} for somebody else's or unknown things, ${counts.let} let in\n`,
  );
  await world.dispose();
});

async function castOf(): Promise<Cast> {
  const every = TENANT_RESOURCES.flatMap((resource) => [`${resource}:read`, `${resource}:write`]);
  const scopes = [...new Set([...every, ...routes.flatMap((route) => route.scopes)])];
  const keys = new Map<string, Credential>();
  const without = async (scope: string, operator: boolean): Promise<Credential> => {
    const name = `${scope} ${operator}`;
    const held = scopes.filter((known) => known !== scope);
    const key = keys.get(name) ?? bearer(await world.key(operator ? null : own.tenantId, held));
    keys.set(name, key);
    return key;
  };
  return { ...(await meetCallers(world, own)), world, own, other, without };
}

const callOf = (route: DeclaredRoute): RouteCall => ROUTE_CALLS[route.name]!;

function urlOf(route: DeclaredRoute, names: readonly string[]): string {
  const { query } = callOf(route);
  let at = 0;
  const path = route.path.replace(/:\w+/g, () => encodeURIComponent(names[at++] ?? 'missing'));
  const search = typeof query === 'function' ? query(names) : query;
  return search === undefined ? path : `${path}?${search}`;
}

function bodyOf(route: DeclaredRoute, names: readonly string[]): object | undefined {
  const { body } = callOf(route);
  return typeof body === 'function' ? body(names) : body;
}

const send = (route: DeclaredRoute, credential: Credential, names: readonly string[]): Promise<Answer> =>
  world.send(credential, route.method, urlOf(route, names), bodyOf(route, names));

const namesOf = async (route: DeclaredRoute, actor: Actor): Promise<readonly string[]> =>
  (await callOf(route).target?.(actor)) ?? [];

/** What the caller would be let in with. */
async function rightfulOf(route: DeclaredRoute): Promise<Credential> {
  switch (route.access) {
    case 'public':
      return {};
    case 'internal':
      return cast.proxy;
    case 'signed-in':
      return { ...(await world.session(own.userId)), ...CONSOLE };
    case 'me':
      return cast.member;
    case 'operator':
      return cast.operator;
    case 'tenant':
      return callOf(route).by === 'operator' ? inTheName : own.credential;
  }
}

describe('the list of routes', () => {
  it('is what the server answers, and nothing else answers', () => {
    const listed = routes.map((route) => route.name);
    const heads = listed.filter((name) => name.startsWith('GET ')).map((name) => name.replace('GET', 'HEAD'));
    expect([...serverRoutes].filter((name) => ![...listed, ...heads, ...BARE_ROUTES].includes(name))).toEqual([]);
    expect(listed.filter((name) => !serverRoutes.has(name))).toEqual([]);
  });

  it('has a call for every route', () => {
    const missing = routes
      .filter((route) => !(route.name in ROUTE_CALLS))
      .map((route) => `${route.name} (${route.access})`);
    expect(
      missing,
      'add each to a list in security/testing/calls: a target that makes what its path names, and a valid body',
    ).toEqual([]);
    const stale = Object.keys(ROUTE_CALLS).filter((name) => !routes.some((route) => route.name === name));
    expect(stale, 'calls of routes that are gone').toEqual([]);
  });

  it('says why for every route that is open, and only for those', () => {
    const open = routes.filter((route) => route.access === 'public').map((route) => route.name);
    const explained = Object.keys(ROUTE_CALLS).filter((name) => ROUTE_CALLS[name]!.open !== undefined);
    expect(open.toSorted()).toEqual(explained.toSorted());
  });

  it('asks for a scope of its own on every route for tenants and operators, or says why not', () => {
    const scoped = routes.filter((route) => route.access === 'tenant' || route.access === 'operator');
    const bare = scoped.filter((route) => route.scopes.length === 0).map((route) => route.name);
    const explained = Object.keys(ROUTE_CALLS).filter((name) => ROUTE_CALLS[name]!.unscoped !== undefined);
    expect(bare.toSorted()).toEqual(explained.toSorted());
  });

  it('asks for the right to write on every route that changes something', () => {
    const writes = routes.filter((route) => route.method !== 'GET' && route.scopes.length > 0);
    const reading = writes.filter((route) => route.scopes.every((scope) => scope.endsWith(':read')));
    expect(reading.map((route) => route.name)).toEqual(READS_WITH_A_BODY);
  });

  it('names what every path names', () => {
    const silent = callable.filter((route) => route.path.includes(':') && callOf(route).target === undefined);
    expect(silent.map((route) => route.name)).toEqual([]);
  });

  it('is in the OpenAPI document, each with a summary, but for what is internal', () => {
    const document = createOpenApiDocument(world.app, '0.0.0');
    const documented = Object.entries(document.paths).flatMap(([path, item]) =>
      Object.entries(item as Record<string, { summary?: string }>).map(([method, { summary }]) => ({
        name: `${method.toUpperCase()} ${path.replaceAll(/\{(\w+)\}/g, ':$1')}`,
        summary,
      })),
    );
    const wanted = routes.filter((route) => route.access !== 'internal').map((route) => route.name);
    expect(documented.map(({ name }) => name).toSorted()).toEqual(wanted.toSorted());
    expect(documented.filter(({ summary }) => !summary).map(({ name }) => name)).toEqual([]);
  });
});

describe('who is turned away', () => {
  const closed = callable.filter((route) => route.access !== 'public');

  it.each(closed.map((route) => [route.name, route] as const))('%s', async (_name, route) => {
    const names = await namesOf(route, own);
    const denials = await denialsOf(route, callOf(route), cast);
    expect(denials.length).toBeGreaterThanOrEqual(5);
    const before = await world.snapshot();
    const wrong: string[] = [];
    for (const denial of denials) {
      const answer = await send(route, denial.credential, names);
      if (!isDenied(route, answer, denial))
        wrong.push(`${denial.who}: ${answer.status} ${answer.code}, not ${denial.status} ${denial.code ?? ''}`);
    }
    counts.denied += denials.length;
    expect(wrong).toEqual([]);
    expect(await world.snapshot(), 'nothing was changed').toEqual(before);
  });

  it.each(closed.filter((route) => route.method === 'GET').map((route) => [route.name, route] as const))(
    'HEAD of %s: whoever has no credentials',
    async (_name, route) => {
      const names = (callOf(route).target ? ['a', 'b', 'c'] : []) as string[];
      const { status } = await world.send({}, 'HEAD', urlOf(route, names));
      expect(status).toBe(callOf(route).redirects === undefined ? 401 : 302);
      counts.denied += 1;
    },
  );
});

function isDenied(route: DeclaredRoute, answer: Answer, { status, code }: Denial): boolean {
  if (callOf(route).redirects !== undefined) return answer.status === 302 && tells(answer.location, code);
  return answer.status === status && (code === undefined || answer.code === code);
}

const tells = (location: string | undefined, code: string | undefined): boolean =>
  location?.includes(`error=${code}`) === true;

const TELLING = /"instance":"[^"]*"/;
const withoutInstance = (body: string): string => body.replace(TELLING, '');

describe('what is somebody else’s', () => {
  const about = callable.filter(
    (route) =>
      callOf(route).target && callOf(route).same === undefined && ['tenant', 'me', 'signed-in'].includes(route.access),
  );

  async function expectHidden(route: DeclaredRoute, owner: Actor): Promise<void> {
    const { stranger } = callOf(route);
    const mine = await namesOf(route, own);
    const theirs = await namesOf(route, owner);
    const places = theirs.flatMap((name, at) => (name === mine[at] ? [] : [at]));
    expect(places.length).toBeGreaterThan(0);
    const credential = await rightfulOf(route);
    const before = await world.snapshot(owner);
    for (const at of places) {
      const unknown = await send(route, credential, mine.with(at, unknownLike(theirs[at]!)));
      const foreign = await send(route, credential, mine.with(at, theirs[at]!));
      counts.isolated += 2;
      expect([404, stranger?.status]).toContain(foreign.status);
      expect(unknown.status).toBe(foreign.status);
      const sameText = foreign.status < 400 || withoutInstance(foreign.body) === withoutInstance(unknown.body);
      expect(sameText, `${foreign.body} is not ${unknown.body}`).toBe(true);
    }
    expect(await world.snapshot(owner), 'nothing of theirs was changed').toEqual(before);
  }

  it.each(about.map((route) => [route.name, route] as const))('%s: as if it did not exist', (_name, route) =>
    expectHidden(route, other),
  );

  const members = about.filter((route) => route.access === 'me' && callOf(route).handedOver === undefined);

  it.each(members.map((route) => [route.name, route] as const))(
    '%s: as if it did not exist, for another member of the same tenant',
    (_name, route) => expectHidden(route, sibling),
  );

  const operated = callable.filter((route) => callOf(route).target && route.access === 'operator');

  it.each(operated.map((route) => [route.name, route] as const))(
    '%s: 404 for what does not exist',
    async (_name, route) => {
      const mine = await namesOf(route, own);
      const answer = await send(route, cast.operator, mine.with(0, unknownLike(mine[0]!)));
      counts.isolated += 1;
      expect(answer.status).toBe(404);
    },
  );
});

describe('who is let in', () => {
  const inOrder = Object.keys(ROUTE_CALLS).flatMap((name) => callable.filter((route) => route.name === name));

  it.each(inOrder.map((route) => [route.name, route] as const))('%s', async (_name, route) => {
    const { good, endless } = callOf(route);
    const names = await namesOf(route, own);
    const credential = await rightfulOf(route);
    counts.let += 1;
    const answer = endless
      ? await world.head(credential, route.method, urlOf(route, names))
      : await send(route, credential, names);
    const fine = good?.includes(answer.status) ?? (answer.status >= 200 && answer.status < 300);
    expect(fine, `${answer.status} ${answer.body}`).toBe(true);
  });
});
