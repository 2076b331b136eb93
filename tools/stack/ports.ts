import { createServer } from 'node:net';
import { type Claim, tryClaim } from './claim.js';
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

/** A block of gateway ports that no other stack on this machine has. Held as long as this process lives. */
export async function claimGatewayPorts(
  remembered: GatewayPorts | undefined,
): Promise<{ ports: GatewayPorts; claim: Claim }> {
  const wished = remembered ? [remembered.from, ...BLOCKS] : BLOCKS;
  for (const from of wished) {
    const claim = await tryClaim(`gateway-ports:${from}`);
    if (claim) return { ports: { from, to: from + BLOCK - 1 }, claim };
  }
  throw new StackError(
    'gateway-ports-in-use',
    `Other stacks hold all ${BLOCKS.length} blocks of gateway ports. Stop one, or set WIREBOT_GATEWAY_PORTS.`,
  );
}
