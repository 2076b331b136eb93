import { createParamDecorator, type ExecutionContext, SetMetadata } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { contextOf } from '../http/request-context.js';
import { SessionRequired, TenantRequired } from './identity.errors.js';
import type { Principal } from './principal.js';

export const SCOPES_KEY = 'wirebot:scopes';
export const PUBLIC_KEY = 'wirebot:public';

/** The caller's key must have all of these: `@RequireScopes('members:write')`. Admin users have every scope. */
export const RequireScopes = (...scopes: string[]) => SetMetadata(SCOPES_KEY, scopes);

/** Anybody may call this. */
export const Public = () => SetMetadata(PUBLIC_KEY, true);

const principalOf = (context: ExecutionContext): Principal => {
  const { principal } = contextOf(context.switchToHttp().getRequest<FastifyRequest>());
  if (!principal) throw new SessionRequired();
  return principal;
};

/** Who is calling. */
export const CurrentPrincipal = createParamDecorator((_: undefined, context: ExecutionContext) => principalOf(context));

/** The id of the tenant this call acts for; throws TenantRequired for an operator that is bound to none. */
export const CurrentTenant = createParamDecorator((_: undefined, context: ExecutionContext): string => {
  const principal = principalOf(context);
  if (principal.kind === 'proxy' || principal.tenantId === undefined) throw new TenantRequired();
  return principal.tenantId;
});
