import type { FastifyReply } from 'fastify';

/** Heads the answer as an archive to keep; the signal says that its receiver is gone. */
export function asArchive(reply: FastifyReply, id: string): AbortSignal {
  const gone = new AbortController();
  reply.raw.once('close', () => gone.abort(new Error('the receiver is gone')));
  void reply.headers({
    'content-type': 'application/zstd',
    'content-disposition': `attachment; filename="${id.replace(/[^\w-]/g, '')}.tar.zst"`,
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
  });
  return gone.signal;
}
