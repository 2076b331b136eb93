import { Controller, Get, Headers, Param, Query, Req, Res } from '@nestjs/common';
import { ApiOperation, ApiProduces, ApiTags } from '@nestjs/swagger';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { OperationView } from '#libs/contracts';
import { decodeCursor, type Page, PageQuery, toPage } from '../http/cursor.js';
import { CurrentTenant, RequireScopes } from '../identity/decorators.js';
import { Log } from '../log.js';
import { type OperationEvent, OperationsService } from './operations.service.js';

const toText = (event: OperationEvent): string =>
  event ? `id: ${event.id}\nevent: ${event.event}\ndata: ${JSON.stringify(event.data)}\n\n` : ': keep-alive\n\n';

@ApiTags('operations')
@Controller('v1/operations')
export class OperationsController {
  constructor(
    private readonly operations: OperationsService,
    private readonly log: Log,
  ) {}

  @Get()
  @RequireScopes('operations:read')
  @ApiOperation({ summary: 'Operations, newest first' })
  async list(@CurrentTenant() tenantId: string, @Query() query: PageQuery): Promise<Page<OperationView>> {
    const [after] = decodeCursor(query.cursor, 1) ?? [];
    const rows = await this.operations.list(tenantId, after, query.limit + 1);
    return toPage(
      rows,
      query.limit,
      (row) => row,
      (row) => [row.id],
    );
  }

  @Get(':id')
  @RequireScopes('operations:read')
  @ApiOperation({ summary: 'One operation' })
  async get(@CurrentTenant() tenantId: string, @Param('id') id: string): Promise<OperationView> {
    return this.operations.get(tenantId, id);
  }

  @Get(':id/events')
  @RequireScopes('operations:read')
  @ApiProduces('text/event-stream')
  @ApiOperation({ summary: 'Steps as they happen, until the operation is done' })
  async events(
    @CurrentTenant() tenantId: string,
    @Param('id') id: string,
    @Headers('last-event-id') lastEventId: string | undefined,
    @Req() request: FastifyRequest,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    await this.operations.get(tenantId, id);
    const after = /^\d{1,18}$/.test(lastEventId ?? '') ? BigInt(lastEventId!) : 0n;
    const gone = new AbortController();
    request.raw.once('close', () => gone.abort());
    reply.hijack();
    reply.raw.writeHead(200, {
      'content-type': 'text/event-stream',
      'cache-control': 'no-store',
      'x-accel-buffering': 'no',
      connection: 'close',
    });
    // The reader learns at once that it is connected, not with the first event.
    reply.raw.flushHeaders();
    try {
      for await (const event of this.operations.follow(tenantId, id, after, gone.signal))
        reply.raw.write(toText(event));
    } catch (error) {
      // The head is out, so no problem document can follow: an ended stream makes the reader ask again where it was.
      this.log.warn({ err: error, operation: id }, 'operation stream ended early');
    }
    reply.raw.end();
  }
}
