import { createServer } from 'node:net';
import { tryClaim } from './claim.js';
import { StackError } from './stack-error.js';

export interface StackPorts {
  readonly proxy: number;
  readonly controlPlane: number;
  readonly broker: number;
}
/** What `.wirebot/ports.json` remembers. */
export interface RememberedPorts extends StackPorts {
  readonly gateways: GatewayPorts;
}
export interface GatewayPorts {
  readonly from: number;
  readonly to: number;
}

const FIRST_PORT = 4100;
const TRIES = 200;
/** Blocks of gateway ports, below the range that systems hand out to outgoing connections. */
const BLOCK = 1_000;
const BLOCKS = Array.from({ length: 11 }, (_, index) => 21_000 + index * BLOCK);

export type IsFree = (port: number) => Promise<boolean>;

export const isPortFree =
  (host: string): IsFree =>
  (port) =>
    new Promise((resolve) => {
      const server = createServer();
      server.once('error', () => resolve(false));
      server.listen(port, host, () => server.close(() => resolve(true)));
    });

/**
 * Ports of a stack. A port somebody asked for is theirs or an error; without one the remembered ports or the usual ones
 * are wished for, and one that is taken by somebody else gives way to the next free one.
 */
export async function choosePorts(
  asked: number | undefined,
  remembered: StackPorts | undefined,
  isFree: IsFree,
): Promise<StackPorts> {
  if (asked !== undefined && !(await isFree(asked))) {
    throw new StackError('port-in-use', `Port ${asked} is in use by another program. Choose another one with --port.`);
  }
  const wished =
    remembered && (asked === undefined || remembered.proxy === asked) ? remembered : portsFrom(asked ?? FIRST_PORT);
  const taken = new Set<number>();
  const next = async (wish: number): Promise<number> => {
    for (let port = wish; port < wish + TRIES && port <= 65_535; port += 1) {
      if (taken.has(port) || !(await isFree(port))) continue;
      taken.add(port);
      return port;
    }
    throw new StackError('port-in-use', `No port from ${wish} on is free. Choose another one with --port.`);
  };
  return {
    proxy: await next(wished.proxy),
    controlPlane: await next(wished.controlPlane),
    broker: await next(wished.broker),
  };
}

const portsFrom = (first: number): StackPorts => ({ proxy: first, controlPlane: first + 1, broker: first + 2 });

/**
 * The block of ports that this stack's gateways come from. Chosen once and kept for good, because a gateway is registered
 * with its port; `shared` says that another running stack has the same one, which matters to gateways that are plain
 * processes. A first choice begins at a place that differs by installation and passes over what others hold.
 */
export async function claimGatewayPorts(
  remembered: GatewayPorts | undefined,
  instance: string,
  claim: typeof tryClaim = tryClaim,
): Promise<{ ports: GatewayPorts; shared: boolean }> {
  if (remembered) return { ports: remembered, shared: !(await claim(claimName(remembered.from))) };
  const first = Number.parseInt(instance, 16) % BLOCKS.length;
  for (const from of [...BLOCKS.slice(first), ...BLOCKS.slice(0, first)]) {
    if (await claim(claimName(from))) return { ports: blockAt(from), shared: false };
  }
  return { ports: blockAt(BLOCKS[first]!), shared: true };
}

const claimName = (from: number): string => `gateway-ports:${from}`;
const blockAt = (from: number): GatewayPorts => ({ from, to: from + BLOCK - 1 });
