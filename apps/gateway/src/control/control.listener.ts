import type { Logger } from '#libs/telemetry';
import { rm } from 'node:fs/promises';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Readable } from 'node:stream';
import type { Gateway } from '../agents/gateway.js';
import { AGENT_ID, checkGatewayConfig } from '../config/gateway-config.check.js';
import { checkFence } from '../config/fence.check.js';
import { AgentNotFound, ControlCredentialInvalid, NotReady, RequestInvalid } from '../errors.js';
import { createListener } from '../http/main.listener.js';
import { LIMITS } from '../limits.js';
import type { Activity } from '../load/activity.js';
import { exportSnapshot } from './snapshot.export.js';
import { exportArchive } from './archive.export.js';
import { importArchive } from './archive.import.js';
import type { Caller, ControlCredential } from './control-credential.js';

export interface ControlListenerParts {
  readonly gateway: Gateway;
  readonly credential: ControlCredential;
  readonly activity: Activity;
  readonly logger: Logger;
  /** Ends connections that carry nothing at the moment: a client must not write into a process that sleeps. */
  readonly closeIdleConnections: () => void;
}

const MOST_DRAIN = 120_000;
const ARCHIVE = '/control/agents/:id/archive';
/** Asked at any time, also of a gateway that is to sleep or nobody's yet; they do not keep it awake. */
const STATUS = '/control/status';
const CLAIM = '/control/claim';
const NO_WORK = [STATUS, '/control/suspend', '/control/resume'];

/** The control plane's side of a gateway (libs/contracts, gateway.ts), on a listener of its own. */
export function createControlListener(parts: ControlListenerParts): FastifyInstance {
  const { gateway, credential, activity, logger } = parts;
  const app = createListener(logger, LIMITS.configBody, LIMITS.transferWithin);
  app.addContentTypeParser('application/x-tar', (_request, payload, done) => done(null, payload));
  app.addHook('onRequest', async (request, reply) => {
    const route = request.routeOptions.url ?? '';
    if (!NO_WORK.includes(route)) activity.request(reply.raw);
    checkCaller(await credential.check(request.headers.authorization), route, gateway);
  });
  routeLife(app, parts);
  routeFolders(app, parts);
  return app;
}

/** Who may do what before and after a claim. */
function checkCaller(caller: Caller, route: string, gateway: Gateway): void {
  const isWarm = gateway.state === 'warm';
  if (caller === 'claim' && !isWarm && route !== CLAIM) throw new ControlCredentialInvalid();
  if (!isWarm || route === STATUS || route === CLAIM) return;
  // A configuration with the control credential gives it its identity just as well: a claim may have been half done.
  if (caller === 'control' && route === '/control/config') return;
  throw new NotReady('gateway-warm');
}

function routeLife(app: FastifyInstance, { gateway, closeIdleConnections }: ControlListenerParts): void {
  app.get(STATUS, () => gateway.status());
  app.put('/control/config', (request) => {
    const { drainMs = '20000' } = request.query as { drainMs?: string };
    return gateway.apply(checkGatewayConfig(request.body), drainOf(drainMs));
  });
  app.post(CLAIM, (request) => {
    gateway.checkClaimable();
    return gateway.claim(checkGatewayConfig(request.body));
  });
  app.post('/control/suspend', (request) => {
    const answer = gateway.suspend(checkFence(request.body));
    closeIdleConnections();
    return answer;
  });
  app.post('/control/resume', (request) => {
    gateway.wake(checkFence(request.body));
    return gateway.status();
  });
}

function routeFolders(app: FastifyInstance, { gateway, logger }: ControlListenerParts): void {
  app.get(ARCHIVE, (request, reply) => sendArchive(gateway, request, reply));
  app.get('/control/agents/:id/snapshot', (request, reply) => sendSnapshot(gateway, logger, request, reply));
  app.put(ARCHIVE, { bodyLimit: LIMITS.archive.bytes }, (request) => {
    const agentId = agentIdOf(request.params);
    const { of = agentId } = request.query as { of?: string };
    if (!AGENT_ID.test(of)) throw new RequestInvalid('"of" must be the id of the agent that the archive is of.');
    const tar = request.body as Readable;
    if (typeof tar?.pipe !== 'function') throw new RequestInvalid('Send the archive as application/x-tar.');
    const folder = gateway.agentFolder(agentId);
    return gateway.withDetached(agentId, () => importArchive({ folder, agentId, of }, tar));
  });
  app.delete('/control/agents/:id', async (request, reply) => {
    const agentId = agentIdOf(request.params);
    await gateway.withDetached(agentId, () => rm(gateway.agentFolder(agentId), { recursive: true, force: true }));
    logger.info({ agentId }, 'agent deleted');
    return reply.code(204).send();
  });
}

async function sendArchive(gateway: Gateway, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const agentId = agentIdOf(request.params);
  const held = await gateway.holdDetached(agentId);
  // The folder is held until the last byte was sent or the client has gone.
  reply.raw.on('close', held.release);
  try {
    return await reply.type('application/x-tar').send(await exportArchive(gateway.agentFolder(agentId), agentId));
  } catch (error) {
    held.release();
    throw error;
  }
}

/** Holds nothing: the agent goes on, and if its folder is moved away meanwhile the stream breaks off. */
async function sendSnapshot(
  gateway: Gateway,
  logger: Logger,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<FastifyReply> {
  const agentId = agentIdOf(request.params);
  const { stream, discard } = await exportSnapshot(gateway.agentFolder(agentId), agentId);
  stream.on('close', () => {
    discard().catch((error: unknown) => logger.warn({ agentId, err: error }, 'snapshot stays until the next start'));
  });
  // The client may have gone while the databases were copied.
  if (reply.raw.destroyed) stream.destroy();
  return reply.type('application/x-tar').send(stream);
}

function agentIdOf(params: unknown): string {
  const { id } = params as { id: string };
  if (!AGENT_ID.test(id)) throw new AgentNotFound();
  return id;
}

function drainOf(value: string): number {
  const drainMs = Number(value);
  if (Number.isInteger(drainMs) && drainMs >= 0 && drainMs <= MOST_DRAIN) return drainMs;
  throw new RequestInvalid(`drainMs must be a whole number from 0 to ${MOST_DRAIN}.`);
}
