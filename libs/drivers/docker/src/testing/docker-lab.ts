import { copyFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Docker from 'dockerode';
import { expect } from 'vitest';
import { defaultSecretsRoot, type GatewayDriver, type GatewayResources, type GatewaySpec } from '#libs/drivers/core';
import {
  cgroupLimits,
  cuttingProxy,
  type DriverLab,
  fixtureGatewayFile,
  forever,
  type Occupation,
  randomInstance,
} from '#libs/testing';
import { ensureGatewayImage } from '../../../../../tools/docker/gateway-image.js';
import { DockerDriver, type DockerDriverOptions } from '../docker.driver.js';

/** Not root and nobody's on this machine: the user of the image. */
export const LAB_USER = { uid: 10_001, gid: 10_001 };
export const LAB_PORTS = { from: 21_000, to: 21_999 };

/** Everything of a driver but the way to its engine. */
export type LabHost = Omit<DockerDriverOptions, 'engine'>;

export interface DockerLab extends DriverLab {
  /** The engine seen from the side, whatever way the driver takes to it. */
  readonly docker: Docker;
  readonly instance: string;
  readonly host: LabHost;
  readonly base: string;
  readonly socketPath: string;
  /** False where the engine does not notice that the kernel ended a container for its memory. */
  readonly tellsOutOfMemory: boolean;
}

export interface EngineUnderTest {
  /** Where the engine answers on this machine. */
  readonly socketPath: string;
  /** The way to be tried; the socket when it is missing. */
  readonly open?: (host: LabHost) => GatewayDriver | Promise<GatewayDriver>;
  readonly hostId?: string;
  readonly tellsOutOfMemory?: boolean;
  /** What is left to tidy up after a network of that range. */
  readonly onNetworkRemoved?: (subnet: string) => Promise<void>;
}

/** A real engine with two installations on it, and the stand-in gateway's image. */
export async function createDockerLab(engine: EngineUnderTest): Promise<DockerLab> {
  const { socketPath, open, hostId, onNetworkRemoved } = engine;
  const base = mkdtempSync(join(tmpdir(), 'wb-docker-'));
  const docker = new Docker({ socketPath });
  const openHost = open ?? ((host: LabHost) => new DockerDriver({ ...host, engine: { kind: 'unix', socketPath } }));
  const hosts = [await labHost(base, 'own', hostId), await labHost(base, 'other', hostId)] as const;
  const [own, other] = hosts;
  const nameOf = (id: string): string => `wirebot-${own.instance}-${id}`;
  const pidOf = async (id: string): Promise<number> => (await docker.getContainer(nameOf(id)).inspect()).State.Pid;
  let port = LAB_PORTS.from;
  return {
    docker,
    base,
    socketPath,
    instance: own.instance,
    host: own,
    driver: await openHost(own),
    reopen: () => openHost(own),
    neighbour: await openHost(other),
    stateRoot: own.stateRoot,
    secretsRoot: own.secretsRoot,
    image: await fixtureImage(base, socketPath),
    restartsByItself: true,
    tellsOutOfMemory: engine.tellsOutOfMemory ?? true,
    hasLimits: true,
    limitsOf: async (id): Promise<GatewayResources> => cgroupLimits(await pidOf(id)),
    nextPort: () => (port += 2),
    kill: async (id) => void process.kill(await pidOf(id), 'SIGKILL'),
    ensureCutShort: (spec) => ensureCutShort(base, own, socketPath, spec),
    occupy: (spec) => occupyName(docker, nameOf(spec.id), spec),
    close: () => cleanUp(docker, base, hosts, onNetworkRemoved),
  };
}

async function labHost(base: string, name: string, hostId: string | undefined): Promise<LabHost> {
  const instance = randomInstance();
  const roots = { stateRoot: join(base, name), secretsRoot: await defaultSecretsRoot(instance) };
  return { instance, ...roots, ports: LAB_PORTS, user: LAB_USER, ...(hostId ? { hostId } : {}) };
}

function fixtureImage(base: string, socketPath: string): Promise<string> {
  copyFileSync(fixtureGatewayFile(), join(base, 'gateway.mjs'));
  return ensureGatewayImage({ socketPath, bundleDir: base, skipPull: true, onSay: () => undefined });
}

/** A driver whose line to the engine dies when it asks for the start: the container is there and was never started. */
async function ensureCutShort(base: string, host: LabHost, enginePath: string, spec: GatewaySpec): Promise<void> {
  const socketPath = join(base, 'cut.sock');
  const proxy = await cuttingProxy(socketPath, enginePath, /POST \/containers\/[^/ ]+\/start/);
  const driver = new DockerDriver({ ...host, engine: { kind: 'unix', socketPath } });
  const failure = await driver.ensure(spec, forever()).catch((error: unknown) => error);
  await new Promise((resolve) => proxy.close(resolve));
  expect(failure).toMatchObject({ code: 'engine-unreachable', retryable: true });
  const left = await new Docker({ socketPath: enginePath })
    .getContainer(`wirebot-${host.instance}-${spec.id}`)
    .inspect();
  expect(left.State.Status).toBe('created');
}

async function occupyName(docker: Docker, name: string, spec: GatewaySpec): Promise<Occupation> {
  const foreign = await docker.createContainer({ name, Image: spec.image, HostConfig: { NetworkMode: 'none' } });
  return {
    expected: 'engine-refused',
    untouched: async () => (await foreign.inspect()).State.Status === 'created',
    end: async () => void (await foreign.remove({ force: true })),
  };
}

async function cleanUp(
  docker: Docker,
  base: string,
  hosts: readonly LabHost[],
  onRemoved: EngineUnderTest['onNetworkRemoved'],
): Promise<void> {
  for (const { instance, secretsRoot } of hosts) {
    const named = await docker.listNetworks({ filters: JSON.stringify({ label: [`wirebot.instance=${instance}`] }) });
    for (const { Id, IPAM } of named) {
      await docker.getNetwork(Id).remove();
      for (const { Subnet } of IPAM?.Config ?? []) await onRemoved?.(Subnet!);
    }
    rmSync(join(secretsRoot, '..'), { recursive: true, force: true });
  }
  rmSync(base, { recursive: true, force: true });
}
