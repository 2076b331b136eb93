import { existsSync } from 'node:fs';
import fastifyStatic from '@fastify/static';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';

/** What a page's own policy cannot say: nobody frames it, nothing is guessed about its types. */
const CONSOLE_HEADERS = {
  'content-security-policy':
    "default-src 'self'; connect-src 'self' ws: wss:; frame-ancestors 'none'; base-uri 'none'; form-action 'self'",
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
} as const;

/** Serves the built console at /admin/; nothing where it was not built. Call it before the application is initialised. */
export function serveConsole(app: NestFastifyApplication, root: string): void {
  if (!existsSync(root)) return;
  const setHeaders = (reply: { header(name: string, value: string): unknown }): void => {
    for (const [name, value] of Object.entries(CONSOLE_HEADERS)) reply.header(name, value);
  };
  // Not awaited: the server loads it with everything else when it starts, which waiting here would begin too early.
  void app
    .getHttpAdapter()
    .getInstance()
    .register(fastifyStatic, { root, prefix: '/admin', redirect: true, setHeaders });
}
