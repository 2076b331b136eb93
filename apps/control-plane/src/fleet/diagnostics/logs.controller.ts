import { Controller, Get, Param, Query, Req, Res } from '@nestjs/common';
import { ApiOperation, ApiProduces, ApiPropertyOptional, ApiTags } from '@nestjs/swagger';
import { Type } from 'class-transformer';
import { IsIn, IsInt, IsOptional, Max, Min } from 'class-validator';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { RequireScopes } from '../../identity/decorators.js';
import { Log } from '../../log.js';
import { GatewaysService } from '../gateways.service.js';
import { LogFollower } from './log-follower.js';
import { streamLog } from './log-stream.js';

export class LogQuery {
  @ApiPropertyOptional({ minimum: 1, maximum: 1000, default: 200 })
  @IsOptional()
  @Type(() => Number)
  @IsInt()
  @Min(1)
  @Max(1000)
  lines: number = 200;

  @ApiPropertyOptional({
    enum: ['true', 'false'],
    description: 'true: stay, and hear of every further line as it is written',
  })
  @IsOptional()
  @IsIn(['true', 'false'])
  follow?: 'true' | 'false';
}

@ApiTags('admin')
@Controller('v1/admin/gateways')
@RequireScopes('gateways:read')
export class LogsController {
  constructor(
    private readonly gateways: GatewaysService,
    private readonly follower: LogFollower,
    private readonly log: Log,
  ) {}

  @Get(':id/logs')
  @ApiProduces('application/json', 'text/event-stream')
  @ApiOperation({
    summary: 'The last lines of its output, without what looks like a secret; with follow as they are written',
  })
  async logs(
    @Param('id') id: string,
    @Query() query: LogQuery,
    @Req() request: FastifyRequest,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    if (query.follow !== 'true') return void (await reply.send({ lines: await this.gateways.logs(id, query.lines) }));
    const gone = new AbortController();
    request.raw.once('close', () => gone.abort());
    const followed = await this.follower.follow(id, query.lines, gone.signal);
    try {
      await streamLog(reply, followed);
    } catch (err) {
      // The head is out, so no problem document can follow: an ended stream makes the reader ask again.
      this.log.warn({ err, gateway: id }, 'log stream ended early');
    }
    reply.raw.end();
    gone.abort();
  }
}
