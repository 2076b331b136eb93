import { randomBytes } from 'node:crypto';
import { createConnection, createServer, type Server } from 'node:net';
import { fileURLToPath } from 'node:url';
import { expect } from 'vitest';
import {
  DriverError,
  type DriverErrorCode,
  type GatewayAddress,
  type GatewayDriver,
  type GatewayResources,
  type GatewaySpec,
  type GatewayState,
} from '#libs/drivers/core';
import { delay } from '#libs/kernel';

/** What the contract suite needs besides a driver: the same host seen from the side, and ways to break things. */
export interface DriverLab {
  readonly driver: GatewayDriver;
  /** The same installation as a control plane sees it that has just been started. */
  reopen(): GatewayDriver | Promise<GatewayDriver>;
  /** Another installation on the same host. */
  readonly neighbour: GatewayDriver;
  readonly stateRoot: string;
  readonly secretsRoot: string;
  /** What GatewaySpec.image has to be for the stand-in gateway. */
  readonly image: string;
  /** True when the host restarts a crashed gateway without the driver. */
  readonly restartsByItself: boolean;
  /** False where limits are words only. */
  readonly hasLimits: boolean;
  /** The limits that are in force for it; null where there are none. */
  limitsOf(id: string): Promise<GatewayResources | null>;
  nextPort(): number;
  /** SIGKILL from outside, as the kernel does when memory ends. */
  kill(id: string): Promise<void>;
  /** Runs ensure and cuts it off between "made" and "running"; what it leaves is what a kill -9 there leaves. */
  ensureCutShort(spec: GatewaySpec): Promise<void>;
  /** Puts something of somebody else's where this gateway would go. */
  occupy(spec: GatewaySpec): Promise<Occupation>;
  close(): Promise<void>;
}

export interface Occupation {
  readonly expected: DriverErrorCode;
  /** True while the other's thing is as it was. */
  untouched(): Promise<boolean>;
  end(): Promise<void>;
}

/** What each part of the contract suite works with; what it drafts is removed after each test. */
export interface DriverBench {
  lab(): DriverLab;
  draft(overrides?: Partial<GatewaySpec>): GatewaySpec;
  /** Ensures it and waits until it answers. */
  start(spec: GatewaySpec): Promise<GatewayAddress>;
  running(id: string): Promise<Extract<GatewayState, { status: 'running' }>>;
}

/** Bounds a call whose duration is not what is tested. */
export const forever = (): AbortSignal => AbortSignal.timeout(120_000);

export const failureOf = async (work: Promise<unknown>): Promise<DriverError> => {
  const error = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(DriverError);
  return error as DriverError;
};

/** The stand-in gateway's file: see fixtures/gateway.mjs for what it answers. */
export const fixtureGatewayFile = (): string => fileURLToPath(new URL('./fixtures/gateway.mjs', import.meta.url));

export const randomInstance = (): string => randomBytes(4).toString('hex');

export const newGatewayId = (): string => `gw_${randomBytes(8).toString('hex')}`;

export const specOf = (lab: DriverLab, overrides: Partial<GatewaySpec> = {}): GatewaySpec => {
  const port = overrides.port ?? lab.nextPort();
  return {
    id: newGatewayId(),
    kind: 'shared',
    runtime: 'wirebot',
    generation: 1,
    image: lab.image,
    port,
    controlPort: port + 1,
    resources: { cpus: 1, memoryBytes: 192 * 1024 * 1024, pids: 64 },
    environment: { FIXTURE_COLOUR: 'green' },
    secrets: { 'token.txt': 'first-value' },
    ...overrides,
  };
};

/** A JSON answer of the stand-in gateway. */
export async function ask<T>(
  at: GatewayAddress,
  path: string,
  query: Record<string, string> = {},
  milliseconds = 5_000,
): Promise<T> {
  const url = `http://${at.host}:${at.port}${path}?${new URLSearchParams(query).toString()}`;
  const response = await fetch(url, { signal: AbortSignal.timeout(milliseconds), headers: { connection: 'close' } });
  if (!response.ok) throw new Error(`${path} answered ${response.status}: ${await response.text()}`);
  return (await response.json()) as T;
}

/** Repeats until `look` gives a value or 20 s are over. */
export async function eventually<T>(what: string, look: () => Promise<T | undefined | false>): Promise<T> {
  const end = Date.now() + 20_000;
  for (;;) {
    const value = await look();
    if (value !== undefined && value !== false) return value;
    if (Date.now() > end) throw new Error(`not within 20 s: ${what}`);
    await delay(40);
  }
}

export const untilHealthy = (at: GatewayAddress): Promise<true> =>
  eventually('the gateway answers /health', async () => {
    // Refused and reset connections are what a starting gateway looks like.
    const answer = await ask<{ ok: boolean }>(at, '/health').catch(() => ({ ok: false }));
    return answer.ok ? true : undefined;
  });

/** Passes a unix socket's bytes on to an engine until `cutAt` matches what a client asks for; then the line goes dead. */
export const cuttingProxy = (listenPath: string, enginePath: string, cutAt: RegExp): Promise<Server> =>
  engineProxy(listenPath, enginePath, (asked) => (cutAt.test(asked.toString('latin1')) ? undefined : asked));

/** Passes on what `change` makes of what a client asks for; undefined cuts the line. */
export function engineProxy(
  listenPath: string,
  enginePath: string,
  change: (asked: Buffer) => Buffer | undefined,
): Promise<Server> {
  const server = createServer((client) => {
    const engine = createConnection(enginePath);
    const end = () => {
      client.destroy();
      engine.destroy();
    };
    client.on('data', (chunk) => {
      const passedOn = change(chunk);
      if (passedOn === undefined) return end();
      engine.write(passedOn);
    });
    engine.on('data', (chunk) => client.write(chunk));
    for (const socket of [client, engine]) socket.on('error', end).on('close', end);
  });
  return new Promise((resolve) => server.listen(listenPath, () => resolve(server)));
}
