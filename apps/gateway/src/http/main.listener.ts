import { CHAT_LIMITS } from '#libs/contracts';
import type { Logger } from '#libs/telemetry';
import { randomUUID } from 'node:crypto';
import fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';
import type { Gateway } from '../agents/gateway.js';
import { checkMessage, isSessionId } from '../chat/message.check.js';
import { CredentialMissing, RequestInvalid, SessionNotFound } from '../errors.js';
import { LIMITS } from '../limits.js';
import type { Activity } from '../load/activity.js';
import type { Metrics } from '../metrics.js';
import { policyView } from '../policy/policy-view.js';
import type { Access, AccessControl } from './access.js';
import { waitForAnswer } from './answer-wait.js';
import { streamTask } from './event-stream.js';
import { answerProblems } from './problem.js';
import { rateLimitHeaders } from './rate-limit.headers.js';

export interface MainListenerParts {
  readonly gateway: Gateway;
  readonly access: AccessControl;
  readonly activity: Activity;
  readonly metrics: Metrics;
  readonly logger: Logger;
}

/**
 * Bodies are checked by hand here, with sentences for people. Saying so keeps Fastify from loading its schema compilers,
 * several megabytes of every gateway's memory.
 */
function noSchemas(): never {
  throw new Error('the gateway uses no route schemas');
}

/** Fastify as both listeners use it: no logger of its own, hard ends for connections that do nothing. */
export function createListener(logger: Logger, bodyLimit: number, requestTimeout: number): FastifyInstance {
  const app = fastify({
    logger: false,
    bodyLimit,
    connectionTimeout: 0,
    requestTimeout,
    keepAliveTimeout: 75_000,
    forceCloseConnections: true,
    exposeHeadRoutes: false,
    routerOptions: { maxParamLength: 128 },
    schemaController: { compilersFactory: { buildValidator: noSchemas, buildSerializer: noSchemas } },
  });
  answerProblems(app, logger, bodyLimit);
  return app;
}

/** HTTP for clients. Everything of an agent is below `/a/:agentId` and, with the agent taken from the token, below `/`. */
export function createMainListener(parts: MainListenerParts): FastifyInstance {
  const app = createListener(parts.logger, CHAT_LIMITS.frame, LIMITS.requestWithin);
  app.addHook('onRequest', (request, reply, done) => {
    // Who only looks whether the gateway is well keeps nobody awake.
    // While it is about to sleep nobody keeps a connection: what is written into a frozen process waits for its end.
    if (parts.gateway.state === 'suspending') void reply.header('connection', 'close');
    if (!/^(\/a\/[^/]+)?\/(health|ready|metrics)$/.test(request.url)) parts.activity.request(reply.raw);
    done();
  });
  app.get('/metrics', (_request, reply) =>
    reply.type('text/plain; version=0.0.4').send(parts.metrics.render(parts.gateway.gauges())),
  );
  for (const prefix of ['', '/a/:agentId']) {
    app.get(`${prefix}/health`, () => ({ status: 'ok' }));
    app.get(`${prefix}/ready`, () => {
      parts.gateway.checkReady();
      return { status: 'ready' };
    });
    app.post(`${prefix}/chat`, (request, reply) => chat(parts, request, reply));
    app.get(`${prefix}/session/:id`, async (request) => {
      const { room, visitor } = await authenticate(parts, request);
      return room.getSession(visitor, (request.params as { id: string }).id);
    });
    app.get(`${prefix}/sessions`, async (request) => {
      const { room, visitor } = await authenticate(parts, request);
      const items = room.listSessions(visitor).map(({ session, title, updatedAt }) => ({ session, title, updatedAt }));
      return { items, nextCursor: null };
    });
    app.get(`${prefix}/policy`, async (request, reply) => {
      const access = await authenticate(parts, request);
      const { session } = request.query as { session?: unknown };
      if (session !== undefined && !isSessionId(session)) throw new SessionNotFound();
      return reply.header('cache-control', 'no-store').send(policyView(access, session));
    });
  }
  return app;
}

async function authenticate({ access, gateway }: MainListenerParts, request: FastifyRequest): Promise<Access> {
  gateway.checkOpen();
  const token = /^Bearer +(\S+) *$/i.exec(request.headers.authorization ?? '')?.[1];
  if (!token) throw access.refuse(new CredentialMissing(), request.raw);
  const found = await access.authenticate(token, (request.params as { agentId?: string }).agentId, request.raw);
  await found.agent.turn();
  return found;
}

async function chat(parts: MainListenerParts, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const access = await authenticate(parts, request);
  const { body } = request;
  if (typeof body !== 'object' || body === null || Array.isArray(body)) throw new RequestInvalid('Send a JSON object.');
  const message = checkMessage({ idempotencyKey: request.headers['idempotency-key'], ...body });
  const key = message.idempotencyKey ?? randomUUID();
  const { text, session } = message;
  const accepted = access.room.send({ id: key, key, session, text, visitor: access.visitor });
  const headers = rateLimitHeaders(accepted.rate);
  if (request.headers.accept?.includes('text/event-stream')) {
    reply.hijack();
    streamTask(access, accepted.task, { response: reply.raw, metrics: parts.metrics, headers });
    return reply;
  }
  const gone = new AbortController();
  reply.raw.on('close', () => gone.abort(new Error('the client went away')));
  const answer = await waitForAnswer(access, accepted.task, gone.signal);
  return reply.headers(headers).send(answer);
}
