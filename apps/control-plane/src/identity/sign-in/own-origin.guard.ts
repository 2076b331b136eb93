import { type CanActivate, type ExecutionContext, Injectable } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { Authenticator } from '../authenticator.js';
import { OriginRefused } from '../identity.errors.js';

const READS = new Set(['GET', 'HEAD', 'OPTIONS']);

/**
 * For public routes that sign somebody in: another site must not sign a browser in here as somebody else. Browsers send an
 * Origin with every such request; programs send none and hold no cookie worth stealing.
 */
@Injectable()
export class OwnOriginGuard implements CanActivate {
  constructor(private readonly authenticator: Authenticator) {}

  canActivate(context: ExecutionContext): boolean {
    const { method, headers } = context.switchToHttp().getRequest<FastifyRequest>();
    if (READS.has(method)) return true;
    const site = headers['sec-fetch-site'];
    if (site !== undefined && site !== 'same-origin' && site !== 'none') throw new OriginRefused();
    if (headers.origin !== undefined) this.authenticator.assertOwnOrigin(headers);
    return true;
  }
}
