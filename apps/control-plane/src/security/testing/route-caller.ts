import { TENANT_RESOURCES } from '../../identity/roles.js';
import { type Cast, CONSOLE, meetCallers } from './denials.js';
import type { RouteCall } from './route-call.js';
import { ROUTE_CALLS } from './route-calls.js';
import { type DeclaredRoute, declaredRoutes } from './route-inventory.js';
import { type Actor, type Answer, bearer, type Credential, unknownLike, World } from './world.js';

/** What every suite about routes runs with: the API alone, without limits that many calls would meet. */
export const ENVIRONMENT: Record<string, string> = {
  WIREBOT_DRIVER: 'process',
  WIREBOT_ROLES: 'api',
  WIREBOT_REQUESTS_PER_MINUTE: '1000000',
  WIREBOT_WEBHOOKS_ALLOW_PRIVATE: 'true',
  // Nothing is sent: that is the worker's part.
  WIREBOT_SMTP_URL: 'smtp://127.0.0.1:9',
  WIREBOT_MAIL_FROM: 'wirebot@example.com',
};

export const callOf = (route: DeclaredRoute): RouteCall => ROUTE_CALLS[route.name]!;

/** Answers to a name of somebody else's and to one that nothing has. */
export interface Pair {
  readonly foreign: Answer;
  readonly unknown: Answer;
}

/** Calls any route of the control plane as anybody. */
export class RouteCaller {
  /** Names of things of others, as they were made: none may ever show in an answer to `own`. */
  readonly theirs = new Set<string>();

  private constructor(
    readonly routes: readonly DeclaredRoute[],
    readonly cast: Cast,
    /** A member of the same tenant as `own`. */
    readonly sibling: Actor,
  ) {}

  static async meet(world: World): Promise<RouteCaller> {
    const routes = declaredRoutes(world.app);
    const own = await world.tenant('own');
    const other = await world.tenant('other');
    const without = keysWithout(world, own, routes);
    const cast = { ...(await meetCallers(world, own)), world, own, other, without };
    return new RouteCaller(routes, cast, await world.member(own, 'sibling'));
  }

  /** Those that the table knows how to call. */
  get callable(): DeclaredRoute[] {
    return this.routes.filter((route) => route.name in ROUTE_CALLS);
  }

  /** Those about things that belong to somebody. */
  get owned(): DeclaredRoute[] {
    const mine = ['tenant', 'me', 'signed-in'];
    return this.callable.filter(
      (route) => callOf(route).target && callOf(route).same === undefined && mine.includes(route.access),
    );
  }

  async names(route: DeclaredRoute, actor: Actor): Promise<readonly string[]> {
    return (await callOf(route).target?.(actor)) ?? [];
  }

  send(route: DeclaredRoute, credential: Credential, names: readonly string[]): Promise<Answer> {
    const { body } = callOf(route);
    const payload = typeof body === 'function' ? body(names) : body;
    return this.cast.world.send(credential, route.method, this.url(route, names), payload);
  }

  url(route: DeclaredRoute, names: readonly string[]): string {
    const { query } = callOf(route);
    let at = 0;
    const path = route.path.replace(/:\w+/g, () => encodeURIComponent(names[at++] ?? 'missing'));
    const search = typeof query === 'function' ? query(names) : query;
    return search === undefined ? path : `${path}?${search}`;
  }

  /** What whoever may call the route would send. */
  async rightful(route: DeclaredRoute): Promise<Credential> {
    const { cast } = this;
    switch (route.access) {
      case 'public':
        return {};
      case 'internal':
        return cast.proxy;
      case 'signed-in':
        return { ...(await cast.world.session(cast.own.userId)), ...CONSOLE };
      case 'me':
        return cast.member;
      case 'operator':
        return cast.operator;
      case 'tenant':
        return callOf(route).by === 'operator'
          ? { ...cast.operator, 'wirebot-tenant': cast.own.tenantId }
          : cast.own.credential;
    }
  }

  /** For each name that the call mentions, once all are made and `ready`: the same call with a name of the owner's, and with one that nothing has. */
  async reachFor(route: DeclaredRoute, owner: Actor, ready: () => Promise<void>): Promise<Pair[]> {
    const mine = await this.names(route, this.cast.own);
    const theirs = await this.names(route, owner);
    await ready();
    const places = theirs.flatMap((name, at) => (name === mine[at] ? [] : [at]));
    const credential = await this.rightful(route);
    const pairs: Pair[] = [];
    for (const at of places) {
      const namesOneThing = callOf(route).stranger === undefined && owner.tenantId !== this.cast.own.tenantId;
      if (namesOneThing) this.theirs.add(theirs[at]!);
      const unknown = await this.send(route, credential, mine.with(at, unknownLike(theirs[at]!)));
      pairs.push({ unknown, foreign: await this.send(route, credential, mine.with(at, theirs[at]!)) });
    }
    return pairs;
  }
}

function keysWithout(world: World, own: Actor, routes: readonly DeclaredRoute[]): Cast['without'] {
  const every = TENANT_RESOURCES.flatMap((resource) => [`${resource}:read`, `${resource}:write`]);
  const scopes = [...new Set([...every, ...routes.flatMap((route) => route.scopes)])];
  const keys = new Map<string, Promise<string>>();
  return async (scope, operator) => {
    const name = `${scope} ${operator}`;
    const held = scopes.filter((known) => known !== scope);
    const key = keys.get(name) ?? world.key(operator ? null : own.tenantId, held);
    keys.set(name, key);
    return bearer(await key);
  };
}
