import { createHash } from 'node:crypto';
import { createServer } from 'node:net';

export interface Claim {
  release(): Promise<void>;
}

/**
 * Takes a name on this machine, or answers undefined when another process has it. An abstract unix socket: the kernel
 * frees it when its holder ends, however it ends, so no claim can be stale.
 */
export function tryClaim(name: string): Promise<Claim | undefined> {
  const address = `\0wirebot-${createHash('sha256').update(name).digest('hex').slice(0, 40)}`;
  const server = createServer((socket) => socket.destroy());
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) =>
      error.code === 'EADDRINUSE' ? resolve(undefined) : reject(error),
    );
    server.listen(address, () => {
      server.unref();
      resolve({ release: () => new Promise((done) => server.close(() => done())) });
    });
  });
}
