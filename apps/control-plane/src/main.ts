import 'reflect-metadata';
import { fileURLToPath } from 'node:url';
import { NestFactory } from '@nestjs/core';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { ControlPlaneConfig } from '#libs/config';
import { createLogger } from '#libs/telemetry';
import { AppModule } from './app.module.js';
import { useEventSocket } from './events/event-socket.adapter.js';
import { serveConsole } from './http/console-files.js';
import { createHttpAdapter } from './http/http-adapter.js';
import { NestLogger } from './http/nest-logger.js';
import { serveOpenApi } from './http/openapi.js';

const VERSION = '0.1.0';

/** The built console, beside this process's own files (dist/apps/admin/public). */
const CONSOLE_FILES = fileURLToPath(new URL('../../admin/public/', import.meta.url));

async function main(): Promise<void> {
  const config = new ControlPlaneConfig();
  const logger = createLogger({ name: 'control-plane', level: config.logLevel });
  const app = await NestFactory.create<NestFastifyApplication>(AppModule, createHttpAdapter(config.trustedProxies), {
    logger: new NestLogger(logger),
    abortOnError: false,
  });
  app.enableShutdownHooks(['SIGTERM', 'SIGINT']);
  useEventSocket(app);
  serveOpenApi(app, VERSION);
  serveConsole(app, CONSOLE_FILES);
  await app.listen(config.port, config.host);
  logger.info({ url: config.url, roles: config.roles }, 'control plane listening');
}

main().catch((error: unknown) => {
  createLogger({ name: 'control-plane' }).fatal({ err: error }, 'the control plane could not start');
  // Connections that were opened by then would keep a process alive that does nothing.
  process.exit(1);
});
