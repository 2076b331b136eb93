import { createConnection } from 'node:net';

/** Longest wait for an answer on this machine, in milliseconds. */
const LIMIT_MS = 500;
/** Probes at the same time. */
const TOGETHER = 16;

/** True when somebody accepts connections there. */
export const isTaken = (port: number, host = '127.0.0.1'): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = createConnection({ port, host, timeout: LIMIT_MS });
    const end = (taken: boolean): void => {
      socket.destroy();
      resolve(taken);
    };
    socket.once('connect', () => end(true));
    socket.once('timeout', () => end(false));
    socket.once('error', () => end(false));
  });

/** Those of the ports that somebody listens on. */
export async function takenPorts(ports: readonly number[]): Promise<Set<number>> {
  const taken = new Set<number>();
  for (let from = 0; from < ports.length; from += TOGETHER) {
    const some = ports.slice(from, from + TOGETHER);
    const answers = await Promise.all(some.map((port) => isTaken(port)));
    for (const [index, answer] of answers.entries()) if (answer) taken.add(some[index]!);
  }
  return taken;
}
