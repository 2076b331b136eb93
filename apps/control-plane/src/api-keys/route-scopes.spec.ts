import 'reflect-metadata';
import type { DynamicModule, Type } from '@nestjs/common';
import { MODULE_METADATA, PATH_METADATA } from '@nestjs/common/constants.js';
import { describe, expect, it } from 'vitest';
import { AppModule } from '../app.module.js';
import { SCOPES_KEY } from '../identity/decorators.js';
import { unknownScopes } from '../identity/scopes.js';

type Imported = Type | DynamicModule | { readonly forwardRef: () => Type };

const moduleOf = (imported: Imported): Type =>
  'forwardRef' in imported ? imported.forwardRef() : 'module' in imported ? imported.module : imported;

/** Every controller of a module and of what it imports. */
function controllersOf(module: Type, seen = new Set<Type>()): Type[] {
  if (seen.has(module)) return [];
  seen.add(module);
  const read = <T>(key: string): T[] => (Reflect.getMetadata(key, module) as T[] | undefined) ?? [];
  const imported = read<Imported>(MODULE_METADATA.IMPORTS).flatMap((each) => controllersOf(moduleOf(each), seen));
  return [...read<Type>(MODULE_METADATA.CONTROLLERS), ...imported];
}

interface RouteScopes {
  readonly name: string;
  readonly operators: boolean;
  readonly scopes: readonly string[];
}

function routesOf(controller: Type): RouteScopes[] {
  const prototype = controller.prototype as Record<string, object>;
  const base = [Reflect.getMetadata(PATH_METADATA, controller)].flat() as string[];
  return Object.getOwnPropertyNames(prototype).flatMap((method) => {
    const handler = prototype[method];
    const path = handler && (Reflect.getMetadata(PATH_METADATA, handler) as string | undefined);
    if (!handler || path === undefined) return [];
    const own = Reflect.getMetadata(SCOPES_KEY, handler) as string[] | undefined;
    const scopes = own ?? (Reflect.getMetadata(SCOPES_KEY, controller) as string[] | undefined) ?? [];
    const operators = base.every((prefix) => /^\/?(?:v1\/admin|metrics)/.test(`${prefix}/${path}`.replace(/^\/+/, '')));
    return [{ name: `${controller.name}.${method}`, operators, scopes }];
  });
}

const routes = controllersOf(AppModule).flatMap(routesOf);

describe('the scopes that routes ask for', () => {
  it('can all be given to a key of the kind that calls them', () => {
    const unknown = routes.flatMap(({ name, operators, scopes }) =>
      unknownScopes(scopes, operators ? 'operator' : 'tenant').map((scope) => `${name}: ${scope}`),
    );
    expect(unknown).toEqual([]);
  });

  it('were found at all', () => {
    const asked = new Set(routes.flatMap(({ scopes }) => scopes));
    for (const scope of ['keys:write', 'tenants:write', 'members:read', 'workspaces:write', 'tenant:close'])
      expect(asked).toContain(scope);
  });
});
