import type { FastifyReply } from 'fastify';
import { type Page, toPage } from '../http/cursor.js';
import { workspaceEtag, type WorkspaceView } from './workspaces.service.js';

/** The view, with the version that a change can ask for in `If-Match`. */
export function answerWorkspace(reply: FastifyReply, view: WorkspaceView): WorkspaceView {
  void reply.header('etag', workspaceEtag(view));
  return view;
}

export const pageOf = <T extends { readonly id: string }>(rows: readonly T[], limit: number): Page<T> =>
  toPage(
    rows,
    limit,
    (row) => row,
    (row) => [row.id],
  );
