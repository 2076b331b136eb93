import { Controller, Get, Req, Res } from '@nestjs/common';
import { ApiExcludeController } from '@nestjs/swagger';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { RouteFeedService } from './route-feed.service.js';

/** A proxy that reads slower than this many bytes behind is cut off; it reconnects and gets a snapshot. */
const MAX_BACKLOG = 64 * 1024 * 1024;

@ApiExcludeController()
@Controller('internal/routes')
export class RouteFeedController {
  constructor(private readonly feed: RouteFeedService) {}

  @Get()
  async stream(@Req() request: FastifyRequest, @Res() reply: FastifyReply): Promise<void> {
    reply.hijack();
    const { raw } = reply;
    raw.writeHead(200, { 'content-type': 'application/x-ndjson', 'cache-control': 'no-store', connection: 'close' });
    const disconnect = await this.feed.connect({
      send: (frame) => {
        raw.write(`${JSON.stringify(frame)}\n`);
        if (raw.writableLength > MAX_BACKLOG) raw.destroy();
      },
      end: () => raw.end(),
    });
    request.raw.once('close', disconnect);
    if (raw.destroyed) disconnect();
  }
}
