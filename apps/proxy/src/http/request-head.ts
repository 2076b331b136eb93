import type { IncomingMessage } from 'node:http';

/** The beginning of a request body that was read before it was known where it goes. */
export interface RequestHead {
  readonly bytes: Buffer;
  /** There is nothing after it. */
  readonly complete: boolean;
}

/** Reads at most about `limit` bytes of the body and leaves the rest where it is; undefined when the client went away. */
export function readHead(req: IncomingMessage, limit: number): Promise<RequestHead | undefined> {
  return new Promise((resolve) => {
    const parts: Buffer[] = [];
    let size = 0;
    const finish = (complete: boolean | undefined) => {
      req.off('data', onData).off('end', onEnd).off('close', onGone).off('error', onGone);
      req.pause();
      resolve(complete === undefined ? undefined : { bytes: Buffer.concat(parts, size), complete });
    };
    const onData = (chunk: Buffer) => {
      parts.push(chunk);
      size += chunk.length;
      if (size > limit) finish(false);
    };
    const onEnd = () => finish(true);
    const onGone = () => finish(undefined);
    if (req.destroyed) return finish(undefined);
    req.on('data', onData).on('end', onEnd).on('close', onGone).on('error', onGone);
  });
}
