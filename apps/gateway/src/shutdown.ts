import type { Logger } from '#libs/telemetry';
import type { FastifyInstance } from 'fastify';
import type { Gateway } from './agents/gateway.js';
import { LIMITS } from './limits.js';
import type { SocketListener } from './ws/socket.listener.js';

export interface Running {
  readonly gateway: Gateway;
  readonly main: FastifyInstance;
  readonly control: FastifyInstance;
  readonly sockets: SocketListener;
  readonly sweep: NodeJS.Timeout;
  readonly logger: Logger;
}

/**
 * The end in order: no new work, running answers end or are put back, then connections, listeners and databases close.
 * Whatever hangs, the process is gone before the 25 s after which it would be killed.
 */
export async function shutDown({ gateway, main, control, sockets, sweep, logger }: Running): Promise<never> {
  logger.info('draining');
  setTimeout(() => {
    logger.error('drain took too long');
    process.exit(1);
  }, LIMITS.exit).unref();
  clearInterval(sweep);
  await gateway.drain(LIMITS.drain);
  sockets.close();
  // Answers that were just written are still on their way out.
  await new Promise((resolve) => setTimeout(resolve, 50));
  await Promise.all([main.close(), control.close()]);
  logger.info('ended');
  process.exit(0);
}
