import { afterAll, describe, expect, it } from 'vitest';
import { createOpenApiDocument } from '../http/openapi.js';
import { type Denial, denialsOf } from './testing/denials.js';
import { expectHidden } from './testing/expect-hidden.js';
import { callOf, ENVIRONMENT, RouteCaller } from './testing/route-caller.js';
import { ROUTE_CALLS } from './testing/route-calls.js';
import { type DeclaredRoute, recordServerRoutes } from './testing/route-inventory.js';
import { type Answer, unknownLike, World } from './testing/world.js';

/**
 * Access, route by route: the whole control plane, every route it has. A route that is added later is in these tests without
 * anybody remembering it, and fails until `testing/route-calls.ts` says how to call it.
 */

/** Not of controllers. */
const BARE_ROUTES = ['GET /openapi.json'];
/** They change nothing, and ask with a body: for these the right to read is enough. */
const READS_WITH_A_BODY = ['POST /v1/admin/audit/verify', 'POST /v1/tiers/:key/preview'];

let serverRoutes = new Set<string>();
const world = await World.start(ENVIRONMENT, (app) => {
  serverRoutes = recordServerRoutes(app);
});
const caller = await RouteCaller.meet(world);
const { routes, callable, cast } = caller;
const { own, other } = cast;
const counts = { denied: 0, isolated: 0, let: 0 };

afterAll(async () => {
  const by = Map.groupBy(routes, (route) => route.access);
  const kinds = [...by].map(([access, list]) => `${access} ${list.length}`).join(', ');
  process.stdout.write(
    `routes: ${routes.length} (${kinds}); calls: ${counts.denied} turned away, ${counts.isolated} for somebody else's or unknown things, ${counts.let} let in\n`,
  );
  await world.dispose();
});

const titled = (list: readonly DeclaredRoute[]) => list.map((route) => [route.name, route] as const);

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

  it.each(titled(closed))('%s', async (_name, route) => {
    const names = await caller.names(route, own);
    const denials = await denialsOf(route, callOf(route), cast);
    expect(denials.length).toBeGreaterThanOrEqual(5);
    const before = await world.snapshot();
    const wrong: string[] = [];
    for (const denial of denials) {
      const answer = await caller.send(route, denial.credential, names);
      if (!isDenied(route, answer, denial))
        wrong.push(`${denial.who}: ${answer.status} ${answer.code}, not ${denial.status} ${denial.code ?? ''}`);
    }
    counts.denied += denials.length;
    expect(wrong).toEqual([]);
    expect(await world.snapshot(), 'nothing was changed').toEqual(before);
  });

  it.each(titled(closed.filter((route) => route.method === 'GET')))(
    'HEAD of %s: whoever has no credentials',
    async (_name, route) => {
      const names = (callOf(route).target ? ['a', 'b', 'c'] : []) as string[];
      const { status } = await world.send({}, 'HEAD', caller.url(route, names));
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

describe('what is somebody else’s', () => {
  it.each(titled(caller.owned))('%s: as if it did not exist', async (_name, route) => {
    counts.isolated += await expectHidden(caller, route, other);
  });

  const members = caller.owned.filter((route) => route.access === 'me' && callOf(route).handedOver === undefined);

  it.each(titled(members))(
    '%s: as if it did not exist, for another member of the same tenant',
    async (_name, route) => {
      counts.isolated += await expectHidden(caller, route, caller.sibling);
    },
  );

  const operated = callable.filter((route) => callOf(route).target && route.access === 'operator');

  it.each(titled(operated))('%s: 404 for what does not exist', async (_name, route) => {
    const mine = await caller.names(route, own);
    const answer = await caller.send(route, cast.operator, mine.with(0, unknownLike(mine[0]!)));
    counts.isolated += 1;
    expect(answer.status).toBe(404);
  });
});

describe('who is let in', () => {
  const inOrder = Object.keys(ROUTE_CALLS).flatMap((name) => callable.filter((route) => route.name === name));
  const theirs = () => [
    other.tenantId,
    other.memberId,
    other.workspaceId,
    other.userId,
    other.externalId,
    ...caller.theirs,
  ];

  it.each(titled(inOrder))('%s, and sees nothing of others', async (_name, route) => {
    const { good, endless } = callOf(route);
    const names = await caller.names(route, own);
    const credential = await caller.rightful(route);
    counts.let += 1;
    const answer = endless
      ? await world.head(credential, route.method, caller.url(route, names))
      : await caller.send(route, credential, names);
    const fine = good?.includes(answer.status) ?? (answer.status >= 200 && answer.status < 300);
    expect(fine, `${answer.status} ${answer.body}`).toBe(true);
    const everybodys = ['operator', 'internal'].includes(route.access);
    const seen = everybodys ? [] : theirs().filter((name) => answer.body.includes(name));
    expect(seen).toEqual([]);
  });
});
