import type { Logger } from '#libs/telemetry';
import { rm } from 'node:fs/promises';
import type { FastifyInstance } from 'fastify';
import type { Readable } from 'node:stream';
import type { Gateway } from '../agents/gateway.js';
import { AGENT_ID, checkGatewayConfig } from '../config/gateway-config.check.js';
import { AgentNotFound, RequestInvalid } from '../errors.js';
import { createListener } from '../http/main.listener.js';
import { LIMITS } from '../limits.js';
import { exportArchive } from './archive.export.js';
import { importArchive } from './archive.import.js';
import type { ControlCredential } from './control-credential.js';

export interface ControlListenerParts {
  readonly gateway: Gateway;
  readonly credential: ControlCredential;
  readonly logger: Logger;
}

const MOST_DRAIN = 120_000;

/** The control plane's side of a gateway (libs/contracts, gateway.ts), on a listener of its own. */
export function createControlListener({ gateway, credential, logger }: ControlListenerParts): FastifyInstance {
  const app = createListener(logger, LIMITS.configBody, LIMITS.transferWithin);
  app.addContentTypeParser('application/x-tar', (_request, payload, done) => done(null, payload));
  app.addHook('onRequest', (request) => credential.check(request.headers.authorization));
  app.get('/control/status', () => gateway.status());
  app.put('/control/config', (request) => {
    const { drainMs = '20000' } = request.query as { drainMs?: string };
    return gateway.apply(checkGatewayConfig(request.body), drainOf(drainMs));
  });
  app.get('/control/agents/:id/archive', async (request, reply) => {
    const agentId = agentIdOf(request.params);
    const archive = await gateway.lockDetached(agentId);
    // The folder is held until the last byte was sent or the client has gone.
    reply.raw.on('close', archive.release);
    try {
      return await reply.type('application/x-tar').send(await exportArchive(gateway.agentFolder(agentId), agentId));
    } catch (error) {
      archive.release();
      throw error;
    }
  });
  app.put('/control/agents/:id/archive', { bodyLimit: LIMITS.archive.bytes }, (request) => {
    const agentId = agentIdOf(request.params);
    const tar = request.body as Readable;
    if (typeof tar?.pipe !== 'function') throw new RequestInvalid('Send the archive as application/x-tar.');
    return gateway.withDetached(agentId, () => importArchive(gateway.agentFolder(agentId), agentId, tar));
  });
  app.delete('/control/agents/:id', async (request, reply) => {
    const agentId = agentIdOf(request.params);
    await gateway.withDetached(agentId, () => rm(gateway.agentFolder(agentId), { recursive: true, force: true }));
    logger.info({ agentId }, 'agent deleted');
    return reply.code(204).send();
  });
  return app;
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
