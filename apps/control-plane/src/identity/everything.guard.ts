import { type CanActivate, type ExecutionContext, Injectable } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { contextOf } from '../http/request-context.js';
import { ScopeMissing } from './identity.errors.js';

/**
 * Beside the scope of a route that decides who becomes whom, such as which identity provider is believed about which addresses:
 * a key that may do that and little else could make itself anybody, so only who may do everything already may do it.
 */
@Injectable()
export class EverythingGuard implements CanActivate {
  /** Throws ScopeMissing. */
  canActivate(context: ExecutionContext): boolean {
    const { principal } = contextOf(context.switchToHttp().getRequest<FastifyRequest>());
    if (!principal || !('scopes' in principal) || !principal.scopes.includes('*')) throw new ScopeMissing('*');
    return true;
  }
}
