import { createHash } from 'node:crypto';
import { readdir, readFile, stat } from 'node:fs/promises';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { extname, join, relative, sep } from 'node:path';
import { ProxyProblem } from '../proxy.errors.js';
import { LIMITS, TIMES } from '../proxy.limits.js';

const TYPES: Record<string, string> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.mjs': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.json': 'application/json',
  '.map': 'application/json',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
  '.ico': 'image/x-icon',
  '.webp': 'image/webp',
  '.woff2': 'font/woff2',
  '.txt': 'text/plain; charset=utf-8',
  '.webmanifest': 'application/manifest+json',
};

const POLICY = [
  "default-src 'self'",
  "connect-src 'self' ws: wss:",
  "img-src 'self' data:",
  "object-src 'none'",
  "base-uri 'none'",
  "form-action 'self'",
  "frame-ancestors 'self'",
].join('; ');

/** A content hash in the name, as Vite writes it: such a file never changes. */
const HASHED = /^\/assets\/.*-[\w-]{8,}\.\w+$/;

interface PageFile {
  readonly bytes: Buffer;
  readonly headers: Record<string, string>;
  readonly etag: string;
}

/**
 * The built chat page. Its files are read once and served from memory by exact path, so no path of a request ever reaches
 * the file system; a rebuilt page is noticed by its index.html.
 */
export class ChatPage {
  #files = new Map<string, PageFile>();
  #stamp = '';
  #checkedAt = 0;
  #loading: Promise<void> | undefined;

  constructor(private readonly directory: string) {}

  async serve(req: IncomingMessage, res: ServerResponse, path: string): Promise<void> {
    await this.#refresh();
    if (this.#files.size === 0) throw new ProxyProblem('page-not-built');
    const file = this.#files.get(path === '/' ? '/index.html' : path);
    if (!file) throw new ProxyProblem('path-not-found');
    if (req.headers['if-none-match']?.includes(file.etag)) {
      res.writeHead(304, { ETag: file.etag, 'Cache-Control': file.headers['Cache-Control']! }).end();
      return;
    }
    res.writeHead(200, file.headers).end(req.method === 'HEAD' ? undefined : file.bytes);
  }

  async #refresh(): Promise<void> {
    if (Date.now() - this.#checkedAt < TIMES.chatPageCheck) return;
    this.#loading ??= this.#load().finally(() => {
      this.#checkedAt = Date.now();
      this.#loading = undefined;
    });
    await this.#loading;
  }

  async #load(): Promise<void> {
    const index = await stat(join(this.directory, 'index.html')).catch(() => undefined);
    const stamp = index ? `${index.mtimeMs}/${index.size}/${index.ino}` : '';
    if (stamp === this.#stamp) return;
    this.#files = index ? await readPage(this.directory) : new Map();
    this.#stamp = stamp;
  }
}

async function readPage(directory: string): Promise<Map<string, PageFile>> {
  const files = new Map<string, PageFile>();
  let total = 0;
  for (const entry of await readdir(directory, { recursive: true, withFileTypes: true })) {
    // Links are left out: they could point outside.
    if (!entry.isFile()) continue;
    const full = join(entry.parentPath, entry.name);
    const bytes = await readFile(full);
    total += bytes.length;
    if (total > LIMITS.chatPage) throw new Error(`the chat page is larger than ${LIMITS.chatPage} bytes`);
    const path = `/${relative(directory, full).split(sep).join('/')}`;
    files.set(path, describe(path, bytes));
  }
  return files;
}

function describe(path: string, bytes: Buffer): PageFile {
  const etag = `"${createHash('sha256').update(bytes).digest('base64url').slice(0, 22)}"`;
  return {
    bytes,
    etag,
    headers: {
      'Content-Type': TYPES[extname(path)] ?? 'application/octet-stream',
      'Content-Length': String(bytes.length),
      'Cache-Control': HASHED.test(path) ? 'public, max-age=31536000, immutable' : 'no-cache',
      ETag: etag,
      'Content-Security-Policy': POLICY,
      'X-Content-Type-Options': 'nosniff',
      'Referrer-Policy': 'no-referrer',
    },
  };
}
