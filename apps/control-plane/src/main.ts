import 'reflect-metadata';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import fastifyStatic from '@fastify/static';
import { NestFactory } from '@nestjs/core';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { ControlPlaneConfig } from '#libs/config';
import { createLogger } from '#libs/telemetry';
import { AppModule } from './app.module.js';
import { useEventSocket } from './events/event-socket.adapter.js';
import { createHttpAdapter } from './http/http-adapter.js';
import { NestLogger } from './http/nest-logger.js';
import { serveOpenApi } from './http/openapi.js';

const VERSION = '0.1.0';

/** What a page's own policy cannot say: nobody frames it, nothing is guessed about its types. */
const CONSOLE_HEADERS = {
  'content-security-policy':
    "default-src 'self'; connect-src 'self' ws: wss:; frame-ancestors 'none'; base-uri 'none'; form-action 'self'",
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
} as const;

/** The built console, beside this process's own files (dist/apps/admin/public). */
async function serveConsole(app: NestFastifyApplication): Promise<void> {
  const root = fileURLToPath(new URL('../../admin/public/', import.meta.url));
  if (!existsSync(root)) return;
  const setHeaders = (reply: { header(name: string, value: string): unknown }): void => {
    for (const [name, value] of Object.entries(CONSOLE_HEADERS)) reply.header(name, value);
  };
  await app.register(fastifyStatic as never, { root, prefix: '/admin/', redirect: true, setHeaders } as never);
}

async function main(): Promise<void> {
  const config = new ControlPlaneConfig();
  const logger = createLogger({ name: 'control-plane', level: config.logLevel });
  const app = await NestFactory.create<NestFastifyApplication>(AppModule, createHttpAdapter(), {
    logger: new NestLogger(logger),
    abortOnError: false,
  });
  app.enableShutdownHooks(['SIGTERM', 'SIGINT']);
  useEventSocket(app);
  serveOpenApi(app, VERSION);
  await serveConsole(app);
  await app.listen(config.port, config.host);
  logger.info({ url: config.url, roles: config.roles }, 'control plane listening');
}

main().catch((error: unknown) => {
  createLogger({ name: 'control-plane' }).fatal({ err: error }, 'the control plane could not start');
  process.exitCode = 1;
});
