import { type ArgumentsHost, Catch, type ExceptionFilter, Logger } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { problemOf } from '../../http/problem.js';
import { contextOf } from '../../http/request-context.js';
import { consoleWith } from './console-path.js';

/** On routes that a browser is sent to, a person waits for a page and not for a problem document. */
@Catch()
export class ToConsoleFilter implements ExceptionFilter {
  readonly #logger = new Logger('identity-provider');

  catch(error: unknown, host: ArgumentsHost): void {
    const request = host.switchToHttp().getRequest<FastifyRequest>();
    const reply = host.switchToHttp().getResponse<FastifyReply>();
    const { requestId } = contextOf(request);
    const { code, status } = problemOf(error, requestId);
    if (status >= 500) this.#logger.error({ msg: 'sign-in failed', err: error, requestId, code });
    void reply.header('cache-control', 'no-store').redirect(consoleWith('error', code), 302);
  }
}
