import type { IncomingMessage } from 'node:http';
import { ProxyProblem } from '../proxy.errors.js';
import { LIMITS } from '../proxy.limits.js';

/** Reads a small JSON object that is meant for the proxy itself. */
export async function readOwnBody(req: IncomingMessage): Promise<Record<string, unknown>> {
  if (!/^application\/json\b/i.test(req.headers['content-type'] ?? '')) throw new ProxyProblem('body-invalid');
  const parts: Buffer[] = [];
  let size = 0;
  // Listeners instead of iteration: leaving an iteration early would close the connection before it got an answer.
  await new Promise<void>((resolve, reject) => {
    const stop = (error?: Error) => {
      req.off('data', take).off('end', stop).off('close', cut);
      return error ? reject(error) : resolve();
    };
    const take = (chunk: Buffer) => {
      size += chunk.length;
      if (size > LIMITS.ownBody) stop(new ProxyProblem('body-too-large'));
      else parts.push(chunk);
    };
    const cut = () => stop(new ProxyProblem('body-invalid'));
    req.on('data', take).on('end', stop).on('close', cut);
  });
  return parse(Buffer.concat(parts).toString('utf8'));
}

function parse(text: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  } catch (cause) {
    throw new ProxyProblem('body-invalid', { cause });
  }
  throw new ProxyProblem('body-invalid');
}
