import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { DocumentBuilder, type OpenAPIObject, SwaggerModule } from '@nestjs/swagger';

const PROBLEM_SCHEMA = {
  type: 'object',
  required: ['type', 'title', 'status', 'detail', 'code'],
  properties: {
    type: { type: 'string', format: 'uri', example: 'urn:wirebot:problem:member-not-found' },
    title: { type: 'string' },
    status: { type: 'integer', example: 404 },
    detail: { type: 'string', description: 'What is wrong and what to do.' },
    code: { type: 'string', description: 'Stable; decide by this.', example: 'member-not-found' },
    instance: { type: 'string', description: 'Names this request; quote it to support.' },
    errors: {
      type: 'array',
      items: {
        type: 'object',
        required: ['field', 'message'],
        properties: { field: { type: 'string' }, message: { type: 'string' } },
      },
    },
  },
} as const;

export function createOpenApiDocument(app: NestFastifyApplication, version: string): OpenAPIObject {
  const options = new DocumentBuilder()
    .setTitle('Wirebot')
    .setDescription('Provision members, issue tokens, operate the fleet. Errors are problem documents (RFC 9457).')
    .setVersion(version)
    .addBearerAuth(
      { type: 'http', scheme: 'bearer', description: 'An API key: wbt_… of a tenant, wbo_… of an operator.' },
      'apiKey',
    )
    .addCookieAuth('wirebot_admin', { type: 'apiKey', in: 'cookie', name: 'wirebot_admin' }, 'adminSession')
    .addSecurityRequirements('apiKey')
    .build();
  const document = SwaggerModule.createDocument(app, options);
  document.components = {
    ...document.components,
    schemas: { ...document.components?.schemas, Problem: { ...PROBLEM_SCHEMA } as never },
  };
  for (const path of Object.keys(document.paths)) if (path.startsWith('/internal/')) delete document.paths[path];
  for (const operation of Object.values(document.paths).flatMap((item) => Object.values(item ?? {})) as {
    responses?: Record<string, unknown>;
  }[])
    if (operation.responses) operation.responses['default'] = problemResponse;
  return document;
}

const problemResponse = {
  description: 'A problem document.',
  content: { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } },
};

/** Serves GET /openapi.json; call it before `app.init()`. The document is built at the first request. */
export function serveOpenApi(app: NestFastifyApplication, version: string): void {
  let document: string | undefined;
  app
    .getHttpAdapter()
    .getInstance()
    .get('/openapi.json', (_request, reply) => {
      document ??= JSON.stringify(createOpenApiDocument(app, version));
      return reply
        .header('content-type', 'application/json; charset=utf-8')
        .header('cache-control', 'no-cache')
        .send(document);
    });
}
