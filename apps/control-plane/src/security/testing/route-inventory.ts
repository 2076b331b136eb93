import { RequestMethod, type Type } from '@nestjs/common';
import { METHOD_METADATA, PATH_METADATA } from '@nestjs/common/constants.js';
import { MetadataScanner, ModulesContainer, Reflector } from '@nestjs/core';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { PUBLIC_KEY, SCOPES_KEY, SIGNED_IN_KEY } from '../../identity/decorators.js';

/** Who a route says it is for. */
export type Access = 'public' | 'signed-in' | 'internal' | 'me' | 'operator' | 'tenant';

export interface DeclaredRoute {
  /** `GET /v1/members/:externalId` */
  readonly name: string;
  readonly method: string;
  readonly path: string;
  readonly access: Access;
  readonly scopes: readonly string[];
}

/** Hears of every route that the server takes, whoever registers it: call it before the application is initialised. */
export function recordServerRoutes(app: NestFastifyApplication): Set<string> {
  const names = new Set<string>();
  app
    .getHttpAdapter()
    .getInstance()
    .addHook('onRoute', ({ method, url }) => {
      for (const one of [method].flat()) names.add(`${one} ${url}`);
    });
  return names;
}

/** Every route of every controller, with what its decorators say about who may call it. */
export function declaredRoutes(app: NestFastifyApplication): DeclaredRoute[] {
  const controllers = [...app.get(ModulesContainer).values()].flatMap((module) => [...module.controllers.values()]);
  const types = new Set(controllers.map(({ metatype }) => metatype as Type));
  return [...types].flatMap(routesOf).sort((a, b) => (a.path + a.method < b.path + b.method ? -1 : 1));
}

function routesOf(controller: Type): DeclaredRoute[] {
  const prototype = controller.prototype as Record<string, object>;
  const bases = [Reflect.getMetadata(PATH_METADATA, controller) as string | string[]].flat();
  return new MetadataScanner().getAllMethodNames(prototype).flatMap((name) => {
    const handler = prototype[name] as () => unknown;
    const paths = Reflect.getMetadata(PATH_METADATA, handler) as string | string[] | undefined;
    if (paths === undefined) return [];
    const method = RequestMethod[Reflect.getMetadata(METHOD_METADATA, handler) as RequestMethod];
    return bases.flatMap((base) =>
      [paths].flat().map((path) => describeRoute(method, joined(base, path), [handler, controller])),
    );
  });
}

const joined = (...parts: string[]): string =>
  `/${parts
    .flatMap((part) => part.split('/'))
    .filter(Boolean)
    .join('/')}`;

function describeRoute(method: string, path: string, targets: [() => unknown, Type]): DeclaredRoute {
  const reflector = new Reflector();
  const scopes = reflector.getAllAndOverride<string[] | undefined>(SCOPES_KEY, targets) ?? [];
  const isPublic = reflector.getAllAndOverride<boolean | undefined>(PUBLIC_KEY, targets) === true;
  const signedIn = reflector.getAllAndOverride<boolean | undefined>(SIGNED_IN_KEY, targets) === true;
  return { name: `${method} ${path}`, method, path, access: isPublic ? 'public' : accessOf(path, signedIn), scopes };
}

/** As the access guard reads it; the calls of the test show whether the guard agrees. */
function accessOf(path: string, signedIn: boolean): Access {
  if (path.startsWith('/internal/')) return 'internal';
  if (signedIn) return 'signed-in';
  if (path === '/v1/me' || path.startsWith('/v1/me/')) return 'me';
  return path.startsWith('/v1/admin/') || path === '/metrics' ? 'operator' : 'tenant';
}
