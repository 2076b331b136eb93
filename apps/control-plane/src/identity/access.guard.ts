import { type CanActivate, type ExecutionContext, Injectable } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import type { FastifyRequest } from 'fastify';
import { contextOf } from '../http/request-context.js';
import { Authenticator, type Credentials } from './authenticator.js';
import { PUBLIC_KEY, SCOPES_KEY, SIGNED_IN_KEY } from './decorators.js';
import { AccessUndeclared, KeyReadOnly, ScopeMissing } from './identity.errors.js';
import { grants, type Principal } from './principal.js';

/** Served to operators only: the API below it, and figures about the whole installation. */
const isOperatorRoute = (route: string): boolean => route.startsWith('/v1/admin/') || route === '/metrics';
const READS = new Set(['GET', 'HEAD', 'OPTIONS']);

/**
 * Decides for every route who may call it. Closed unless declared:
 *
 * - `@Public()`: anybody
 * - `@SignedIn()`: whoever is signed in to a console, about themselves
 * - `/internal/…`: proxies, by their credential
 * - `/v1/me/…`: members, by their token
 * - `/v1/admin/…` and `/metrics`: an operator's key or console session, plus `@RequireScopes` when given
 * - everything else: a tenant's key or staff (or an operator that names the tenant) with the scopes of `@RequireScopes`,
 *   which must be there
 */
@Injectable()
export class AccessGuard implements CanActivate {
  constructor(
    private readonly reflector: Reflector,
    private readonly authenticator: Authenticator,
  ) {}

  async canActivate(context: ExecutionContext): Promise<boolean> {
    if (context.getType() !== 'http') return true; // the event socket authenticates at its upgrade
    const targets = [context.getHandler(), context.getClass()];
    if (this.reflector.getAllAndOverride<boolean>(PUBLIC_KEY, targets)) return true;
    const request = context.switchToHttp().getRequest<FastifyRequest>();
    const scopes = this.reflector.getAllAndOverride<string[]>(SCOPES_KEY, targets);
    const signedIn = this.reflector.getAllAndOverride<boolean>(SIGNED_IN_KEY, targets) === true;
    const mutates = !READS.has(request.method);
    const principal = await this.#authenticate(request, { scopes, signedIn, mutates });
    contextOf(request).principal = principal;
    if (principal.kind === 'proxy') return true;
    const missing = scopes?.find((scope) => !grants(principal.scopes, scope));
    if (missing !== undefined) throw new ScopeMissing(missing);
    if (mutates && 'readOnly' in principal && principal.readOnly) throw new KeyReadOnly();
    return true;
  }

  async #authenticate(
    request: FastifyRequest,
    wanted: { readonly scopes: readonly string[] | undefined; readonly signedIn: boolean; readonly mutates: boolean },
  ): Promise<Principal> {
    const credentials: Credentials = { headers: request.headers, address: request.ip, mutates: wanted.mutates };
    const route = request.routeOptions.url ?? '';
    if (route.startsWith('/internal/')) return this.authenticator.proxy(credentials);
    if (wanted.signedIn) return this.authenticator.user(credentials);
    if (route.startsWith('/v1/me/') || route === '/v1/me') return this.authenticator.member(credentials);
    if (isOperatorRoute(route)) return this.authenticator.operator(credentials);
    const principal = await this.authenticator.forTenant(credentials);
    if (!wanted.scopes) throw new AccessUndeclared();
    return principal;
  }
}
