import { type CanActivate, type ExecutionContext, Injectable } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { contextOf } from '../../http/request-context.js';
import { RecentProof } from './recent-proof.js';

const READS = new Set(['GET', 'HEAD', 'OPTIONS']);

/**
 * For changes that outlast the session that makes them, such as who may do what: from a console they want a recent proof, so
 * that a session left open gives nobody a lasting place. Keys pass: there is nobody at a keyboard to ask.
 */
@Injectable()
export class RecentProofGuard implements CanActivate {
  constructor(private readonly proof: RecentProof) {}

  /** Throws RecentProofRequired. */
  async canActivate(context: ExecutionContext): Promise<boolean> {
    const request = context.switchToHttp().getRequest<FastifyRequest>();
    const { principal } = contextOf(request);
    const sessionId = principal && 'sessionId' in principal ? principal.sessionId : undefined;
    if (sessionId !== undefined && !READS.has(request.method)) await this.proof.require(sessionId);
    return true;
  }
}
