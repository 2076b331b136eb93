import { Controller, Get, Header, Res } from '@nestjs/common';
import { ApiOperation, ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { Database } from '#libs/database';
import { DomainError } from '#libs/kernel';
import { Metrics } from '#libs/telemetry';
import { CoordinationHandle } from '../core.module.js';
import { Public } from '../identity/decorators.js';

export class NotReady extends DomainError {
  readonly code = 'not-ready';
  readonly kind = 'unavailable';
  override readonly retryAfter = 2;
  constructor(parts: readonly string[], options?: ErrorOptions) {
    super(
      `Not ready: ${parts.join(' and ')} ${parts.length > 1 ? 'do' : 'does'} not answer. Start or repair it; this recovers by itself.`,
      options,
    );
  }
}

/** A part that has not answered by then counts as down, in milliseconds. */
const PART_LIMIT_MS = 3_000;

@ApiTags('health')
@Controller()
export class HealthController {
  constructor(
    private readonly database: Database,
    private readonly coordination: CoordinationHandle,
    private readonly metrics: Metrics,
  ) {}

  @Get('health')
  @Public()
  @Header('cache-control', 'no-store')
  @ApiOperation({ summary: 'The process lives' })
  health(): { readonly status: 'ok' } {
    return { status: 'ok' };
  }

  @Get('ready')
  @Public()
  @Header('cache-control', 'no-store')
  @ApiOperation({ summary: 'The process can serve: database and coordination answer' })
  async ready(): Promise<{ readonly status: 'ready'; readonly coordination: string }> {
    const parts = [
      ['the database', this.database.ping()],
      [`coordination (${this.coordination.store})`, this.coordination.ping()],
    ] as const;
    const results = await Promise.allSettled(parts.map(([, work]) => within(work)));
    const down = parts.filter((_, index) => results[index]!.status === 'rejected').map(([name]) => name);
    const reasons = results.flatMap((result) => (result.status === 'rejected' ? [result.reason as unknown] : []));
    if (down.length > 0) throw new NotReady(down, { cause: reasons[0] });
    return { status: 'ready', coordination: this.coordination.store };
  }

  @Get('metrics')
  @ApiOperation({ summary: "Prometheus metrics, for an operator's key" })
  async expose(@Res({ passthrough: true }) reply: FastifyReply): Promise<string> {
    void reply.header('content-type', this.metrics.contentType);
    return this.metrics.expose();
  }
}

async function within(work: Promise<void>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${PART_LIMIT_MS} ms`)), PART_LIMIT_MS);
  });
  try {
    await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}
