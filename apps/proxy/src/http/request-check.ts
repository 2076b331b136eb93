import type { IncomingMessage } from 'node:http';
import { ProxyProblem } from '../proxy.errors.js';

/** Dot segments (plain or encoded), encoded slashes, backslashes, and what is not printable ASCII. */
const SUSPECT_PATH = /(?:^|\/)(?:\.|%2e){1,2}(?:\/|$)|%2f|%5c|%00|\\|[^\x21-\x7e]/i;

export interface Target {
  readonly path: string;
  /** With its question mark, or empty. */
  readonly query: string;
}

/** Splits the request target. Refuses everything but the plain origin form: the gateway must see the path the proxy judged. */
export function targetOf(req: IncomingMessage): Target {
  const url = req.url ?? '';
  if (url.charCodeAt(0) !== 47) throw new ProxyProblem('path-invalid');
  const mark = url.indexOf('?');
  const path = mark === -1 ? url : url.slice(0, mark);
  if (SUSPECT_PATH.test(path) || path.includes('#')) throw new ProxyProblem('path-invalid');
  return { path, query: mark === -1 ? '' : url.slice(mark) };
}

/**
 * Node's parser refuses most of this already; checked here too because a request that two servers frame differently is
 * how one client's bytes become another one's request.
 */
export function checkFraming(req: IncomingMessage): void {
  const raw = req.rawHeaders;
  let lengths = 0;
  let encodings = 0;
  let hosts = 0;
  for (let i = 0; i < raw.length; i += 2) {
    const name = raw[i]!;
    if (name.length === 4 && name.toLowerCase() === 'host') hosts += 1;
    else if (name.length === 14 && name.toLowerCase() === 'content-length') lengths += 1;
    else if (name.length === 17 && name.toLowerCase() === 'transfer-encoding') encodings += 1;
  }
  const chunked = encodings === 0 || req.headers['transfer-encoding']?.toLowerCase() === 'chunked';
  const length = req.headers['content-length'];
  const counted = length === undefined || /^\d{1,15}$/.test(length);
  if (hosts > 1 || lengths + encodings > 1 || !chunked || !counted) throw new ProxyProblem('framing-ambiguous');
}

/** The declared length of the body; -1 when it is chunked, 0 when there is none. */
export function bodyLength(req: IncomingMessage): number {
  if (req.headers['transfer-encoding'] !== undefined) return -1;
  const length = req.headers['content-length'];
  return length === undefined ? 0 : Number(length);
}
