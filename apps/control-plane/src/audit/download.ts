import type { FastifyReply } from 'fastify';
import { EXPORT_TYPES } from './audit-export.js';
import type { ExportFormat } from './dto/audit-query.dto.js';

/** Heads the answer as a file to keep; the signal says that its receiver is gone. */
export function asDownload(reply: FastifyReply, format: ExportFormat): AbortSignal {
  const gone = new AbortController();
  reply.raw.once('close', () => gone.abort());
  void reply.headers({
    'content-type': EXPORT_TYPES[format],
    'content-disposition': `attachment; filename="audit-${new Date().toISOString().slice(0, 10)}.${format}"`,
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
  });
  return gone.signal;
}
