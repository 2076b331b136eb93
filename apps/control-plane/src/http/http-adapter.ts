import { FastifyAdapter } from '@nestjs/platform-fastify';
import { HTTP_LIMITS } from './limits.js';
import { assertPlainInput } from './plain-input.js';
import { toDomainError } from './problem.js';
import { registerRequestContext } from './request-context.js';

/** While the server closes, connections that have become idle are ended this often, in milliseconds. */
const IDLE_SWEEP_MS = 50;

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

/**
 * The control plane's HTTP server: pass it to `NestFactory.create`. `trustedProxies`: whose `X-Forwarded-For` says where a
 * request came from; without them it came from whoever opened the connection.
 */
export function createHttpAdapter(trustedProxies: readonly string[] = []): FastifyAdapter {
  const adapter = new JsonAdapter({
    bodyLimit: HTTP_LIMITS.body,
    requestTimeout: HTTP_LIMITS.receive,
    routerOptions: { maxParamLength: HTTP_LIMITS.parameter },
    // A server that stops must not wait for idle keep-alive connections.
    forceCloseConnections: 'idle',
    trustProxy: trustedProxies.length > 0 && [...trustedProxies],
    logger: false,
  });
  const server = adapter.getInstance();
  registerRequestContext(server);
  server.addHook('preValidation', (request, _reply, done) => {
    assertPlainInput(request.params, 'path');
    assertPlainInput(request.query, 'query');
    assertPlainInput(request.body, 'body');
    done();
  });
  // Closing ends what is idle at that moment; connections whose last answer is still going out become idle later.
  server.addHook('preClose', (done) => {
    const sweep = setInterval(() => server.server.closeIdleConnections(), IDLE_SWEEP_MS);
    server.server.once('close', () => clearInterval(sweep));
    done();
  });
  // Fastify closes the connection under a body that is too large, and the sender then sees a broken pipe instead of the
  // answer. Up to a bound the rest is read and thrown away, so that it sees the 413.
  server.addHook('onSend', (request, reply, _payload, done) => {
    if (reply.statusCode === 413 && Number(request.headers['content-length']) <= HTTP_LIMITS.discard) {
      void reply.removeHeader('connection');
      request.raw.resume();
    }
    done();
  });
  return adapter;
}
