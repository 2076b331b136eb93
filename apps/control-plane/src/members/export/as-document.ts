import type { FastifyReply } from 'fastify';

/** Heads the answer as a file to keep. The name says nothing about whose it is. */
export function asDocument(reply: FastifyReply, text: string): string {
  void reply.headers({
    'content-type': 'application/json; charset=utf-8',
    'content-disposition': 'attachment; filename="member-export.json"',
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
  });
  return text;
}
