import { AsyncLocalStorage } from 'node:async_hooks';
import { randomUUID } from 'node:crypto';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { Principal } from '../identity/principal.js';

export interface RequestContext {
  readonly requestId: string;
  /** Where it came from: for the audit log, sessions and lock-outs. */
  readonly origin: { readonly address: string; readonly userAgent: string };
  /** Set by the access guard. */
  principal?: Principal;
}

const MAX_USER_AGENT = 256;

const storage = new AsyncLocalStorage<RequestContext>();
const contexts = new WeakMap<object, RequestContext>();

/** The context of the request being served; undefined outside of one. */
export const currentRequest = (): RequestContext | undefined => storage.getStore();

/** The context of a known request, also where asynchronous context got lost. */
export function contextOf(request: FastifyRequest): RequestContext {
  const context = contexts.get(request.raw);
  if (!context) throw new Error('the request context hooks are not registered on this server');
  return context;
}

/** A caller's own id is kept when it is harmless, so that both sides' logs can be joined. */
export function requestIdOf(header: string | string[] | undefined): string {
  return typeof header === 'string' && /^[\w.-]{8,64}$/.test(header) ? header : randomUUID();
}

export function registerRequestContext(server: FastifyInstance): void {
  server.addHook('onRequest', (request, reply, done) => {
    const context = {
      requestId: requestIdOf(request.headers['x-request-id']),
      origin: { address: request.ip, userAgent: String(request.headers['user-agent'] ?? '').slice(0, MAX_USER_AGENT) },
    };
    contexts.set(request.raw, context);
    void reply.header('x-request-id', context.requestId);
    storage.run(context, done);
  });
  // Reading the body resumes in the socket's asynchronous context; enter the request's own again.
  server.addHook('preValidation', (request, _reply, done) => storage.run(contextOf(request), done));
}
