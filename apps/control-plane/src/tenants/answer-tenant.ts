import type { FastifyReply } from 'fastify';
import { tenantEtag, type TenantRow, type TenantView, toTenantView } from './tenant-view.js';

/** The view, with the version that a change can ask for in `If-Match`. */
export function answerTenant(reply: FastifyReply, row: TenantRow): TenantView {
  void reply.header('etag', tenantEtag(row));
  return toTenantView(row);
}
