import { FastifyAdapter } from '@nestjs/platform-fastify';
import { HTTP_LIMITS } from './limits.js';
import { toDomainError } from './problem.js';
import { registerRequestContext } from './request-context.js';

/** JSON only: no forms and no plain text, which any web page can make a browser send without asking first. */
class JsonAdapter extends FastifyAdapter {
  /** Nest would add its own parsers; Fastify's JSON parser tells faults apart and refuses `__proto__`. */
  override registerParserMiddleware(): void {
    this.getInstance().removeContentTypeParser('text/plain');
  }

  /** Nest's own mapping forgets Fastify's codes. */
  override mapException(error: unknown): unknown {
    return toDomainError(error) ?? error;
  }
}

/** The control plane's HTTP server: pass it to `NestFactory.create`. */
export function createHttpAdapter(): FastifyAdapter {
  const adapter = new JsonAdapter({
    bodyLimit: HTTP_LIMITS.body,
    requestTimeout: HTTP_LIMITS.receive,
    routerOptions: { maxParamLength: HTTP_LIMITS.parameter },
    // A server that stops must not wait for idle keep-alive connections.
    forceCloseConnections: 'idle',
    logger: false,
  });
  registerRequestContext(adapter.getInstance());
  return adapter;
}
