import { createParamDecorator, type ExecutionContext, SetMetadata } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { contextOf } from '../http/request-context.js';
import { SessionRequired, TenantRequired } from './identity.errors.js';
import type { Principal } from './principal.js';

export const SCOPES_KEY = 'wirebot:scopes';
export const PUBLIC_KEY = 'wirebot:public';
export const SIGNED_IN_KEY = 'wirebot:signed-in';

/**
 * The caller must have all of these: `@RequireScopes('members:write')`. A key has the scopes it was made with, staff those
 * of their role, a signed-in operator every one.
 */
export const RequireScopes = (...scopes: string[]) => SetMetadata(SCOPES_KEY, scopes);

/** Anybody may call this. */
export const Public = () => SetMetadata(PUBLIC_KEY, true);

/** Whoever is signed in to a console, whatever their role: routes about the user's own account. */
export const SignedIn = () => SetMetadata(SIGNED_IN_KEY, true);

const principalOf = (context: ExecutionContext): Principal => {
  const { principal } = contextOf(context.switchToHttp().getRequest<FastifyRequest>());
  if (!principal) throw new SessionRequired();
  return principal;
};

/** Who is calling. */
export const CurrentPrincipal = createParamDecorator((_: undefined, context: ExecutionContext) => principalOf(context));

export interface CurrentUser {
  readonly userId: string;
  readonly sessionId: string;
}

/** The user and session of a `@SignedIn()` route. */
export const CurrentUser = createParamDecorator((_: undefined, context: ExecutionContext): CurrentUser => {
  const principal = principalOf(context);
  if (principal.kind !== 'user') throw new SessionRequired();
  return principal;
});

/** The member of a `/v1/me` route. */
export const CurrentMember = createParamDecorator(
  (_: undefined, context: ExecutionContext): Extract<Principal, { kind: 'member' }> => {
    const principal = principalOf(context);
    if (principal.kind !== 'member') throw new SessionRequired();
    return principal;
  },
);

/** The id of the tenant this call acts for; throws TenantRequired for an operator that is bound to none. */
export const CurrentTenant = createParamDecorator((_: undefined, context: ExecutionContext): string => {
  const principal = principalOf(context);
  const tenantId = 'tenantId' in principal ? principal.tenantId : undefined;
  if (tenantId === undefined) throw new TenantRequired();
  return tenantId;
});
