import { type CanActivate, type ExecutionContext, Injectable } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import type { FastifyRequest } from 'fastify';
import { contextOf } from '../http/request-context.js';
import { Authenticator, type Credentials } from './authenticator.js';
import { PUBLIC_KEY, SCOPES_KEY } from './decorators.js';
import { AccessUndeclared, ScopeMissing } from './identity.errors.js';
import { grants, type Principal } from './principal.js';

/** Served to operators only: the API below it, and figures about the whole installation. */
const isOperatorRoute = (route: string): boolean => route.startsWith('/v1/admin/') || route === '/metrics';
const READS = new Set(['GET', 'HEAD', 'OPTIONS']);

/**
 * Decides for every route who may call it. Closed unless declared:
 *
 * - `@Public()`: anybody
 * - `/internal/…`: proxies, by their credential
 * - `/v1/admin/…` and `/metrics`: an operator's key or the admin cookie, plus `@RequireScopes` when given
 * - everything else: an API key with the scopes of `@RequireScopes`, which must be there
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
    const principal = await this.#authenticate(request, scopes);
    contextOf(request).principal = principal;
    if (principal.kind === 'proxy') return true;
    const missing = scopes?.find((scope) => !grants(principal.scopes, scope));
    if (missing !== undefined) throw new ScopeMissing(missing);
    return true;
  }

  async #authenticate(request: FastifyRequest, scopes: readonly string[] | undefined): Promise<Principal> {
    const credentials: Credentials = {
      headers: request.headers,
      address: request.ip,
      mutates: !READS.has(request.method),
    };
    const route = request.routeOptions.url ?? '';
    if (route.startsWith('/internal/')) return this.authenticator.proxy(credentials);
    if (isOperatorRoute(route)) return this.authenticator.operator(credentials);
    const principal = await this.authenticator.byKey(credentials);
    if (!scopes) throw new AccessUndeclared();
    return principal;
  }
}
