import { resolve } from 'node:path';
import {
  assertGatewayId,
  DriverError,
  type FileOwner,
  type GatewayAddress,
  GatewayDriver,
  type GatewayInventoryEntry,
  type GatewayResources,
  type GatewaySpec,
  type GatewayState,
  type GatewayStats,
  type HostFacts,
  type HostUsage,
  prepareSecretsRoot,
  removeDirectory,
  StateDirectories,
  writeSecretsDirectory,
} from '#libs/drivers/core';
import type Docker from 'dockerode';
import { changeLimits } from './container-limits.js';
import { type ContainerPlace, LABELS } from './container-spec.js';
import { isAlive, stateOf } from './container-state.js';
import { Containers } from './containers.js';
import { type EngineAddress, openEngine } from './engine-address.js';
import { callEngine, ENGINE_LIMITS } from './engine-call.js';
import { readLogs } from './engine-logs.js';
import { NOTHING_KNOWN, readCapacity, readUse } from './engine-stats.js';
import { watchContainers } from './engine-events.js';
import { type PreparedHost, prepareHost } from './prepared-host.js';
import { slotAddress } from './subnets.js';

export interface DockerDriverOptions {
  readonly engine: EngineAddress;
  /** Names this installation on the engine: 1-32 lower-case letters or digits. */
  readonly instance: string;
  /** Which host of the installation it is; missing for the engine beside the control plane. */
  readonly hostId?: string;
  /** One folder a gateway: what it remembers. */
  readonly stateRoot: string;
  /** On a tmpfs (see defaultSecretsRoot). One folder a gateway. */
  readonly secretsRoot: string;
  /** The range gateways' ports come from: a port's place in it is its container's address. */
  readonly ports: { readonly from: number; readonly to: number };
  /** Who gateways run as and who owns their folders. Another user than the own needs root. */
  readonly user: FileOwner;
  readonly allowSecretsOnDisk?: boolean;
}

/** Seconds a replaced or removed gateway has to end by itself. The caller drains it before. */
const REPLACE_GRACE = 25;

const ISOLATION =
  'One container a gateway: own user without capabilities, read-only root, limits on memory, CPU and processes, and a network from which only this host answers.';

export class DockerDriver extends GatewayDriver {
  readonly name = 'docker';
  readonly #docker: Docker;
  readonly #containers: Containers;
  readonly #states: StateDirectories;
  #host: PreparedHost | undefined;

  constructor(private readonly options: DockerDriverOptions) {
    super();
    if (!/^[a-z0-9]{1,32}$/.test(options.instance)) {
      throw new DriverError('engine-refused', 'An instance is named by 1-32 lower-case letters or digits.', false);
    }
    if (options.user.uid === 0)
      throw new DriverError('engine-refused', 'Gateways never run as root; name another user.', false);
    this.#docker = openEngine(options.engine);
    this.#containers = new Containers(this.#docker, options.instance);
    this.#states = new StateDirectories(options.stateRoot);
  }

  async prepare(signal: AbortSignal): Promise<HostFacts> {
    await prepareSecretsRoot(this.options.secretsRoot, this.options.allowSecretsOnDisk ?? false);
    await this.#states.prepare();
    const folders = [this.options.stateRoot, this.options.secretsRoot];
    this.#host = await prepareHost(this.#docker, this.options, folders, signal);
    return { hostAddressForGateways: this.#host.gateway, isolation: ISOLATION };
  }

  async ensure(spec: GatewaySpec, signal: AbortSignal): Promise<GatewayAddress> {
    assertGatewayId(spec.id);
    if (!this.#host) await this.prepare(signal);
    const place = this.#place(spec, this.#host!);
    await this.#host!.reassert(signal);
    await this.#states.ready(spec.id, this.options.user, async () => {
      const info = await this.#find(spec.id, signal);
      return info !== undefined && isAlive(info);
    });
    await writeSecretsDirectory(place.secretsDirectory, spec.secrets, this.options.user);
    try {
      await this.#containers.converge(spec, place, REPLACE_GRACE, signal);
      await this.#host!.assertReachable();
    } catch (error) {
      // Somebody removed the network; the next try makes it again.
      if (isNetworkGone(error)) this.#host = undefined;
      throw isNetworkGone(error) ? new DriverError('engine-refused', error.message, true, { cause: error }) : error;
    }
    return { host: place.address, port: spec.port, controlPort: spec.controlPort };
  }

  async writeSecrets(id: string, secrets: Readonly<Record<string, string>>, signal: AbortSignal): Promise<void> {
    assertGatewayId(id);
    signal.throwIfAborted();
    await writeSecretsDirectory(this.#secrets(id), secrets, this.options.user);
  }

  async inspect(id: string, signal: AbortSignal): Promise<GatewayState> {
    const info = await this.#find(id, signal);
    return info ? stateOf(info) : { status: 'absent' };
  }

  async resolveImage(reference: string, signal: AbortSignal): Promise<string> {
    const image = this.#docker.getImage(reference);
    return (await callEngine(signal, ENGINE_LIMITS.read, () => image.inspect())).Id;
  }

  async stop(id: string, graceSeconds: number, signal: AbortSignal): Promise<void> {
    const info = await this.#find(id, signal);
    if (info) await this.#containers.stop(info, graceSeconds, signal);
  }

  async remove(id: string, signal: AbortSignal): Promise<void> {
    const info = await this.#find(id, signal);
    if (info) await this.#containers.discard(info, REPLACE_GRACE, signal);
    await removeDirectory(this.#secrets(id));
  }

  async pause(id: string, signal: AbortSignal): Promise<void> {
    const info = await this.#find(id, signal);
    if (info?.State.Paused) return;
    if (!info || stateOf(info).status !== 'running') {
      throw new DriverError('engine-refused', `The gateway ${id} does not run, so it cannot be paused.`, false);
    }
    await this.#containers.pause(info, signal);
  }

  async resume(id: string, signal: AbortSignal): Promise<void> {
    const info = await this.#find(id, signal);
    if (info?.State.Paused) await this.#containers.resume(info, signal);
  }

  async adjust(id: string, resources: GatewayResources, signal: AbortSignal): Promise<void> {
    const info = await this.#find(id, signal);
    if (info) await changeLimits(this.#docker, info, resources, signal);
  }

  async stats(id: string, signal: AbortSignal): Promise<GatewayStats> {
    const info = await this.#find(id, signal);
    const use = info && isAlive(info) ? await readUse(this.#docker.getContainer(info.Id), signal) : NOTHING_KNOWN;
    return { ...use, diskBytes: await this.#states.usedBytes(id, signal) };
  }

  async usage(signal: AbortSignal): Promise<HostUsage> {
    return { ...(await readCapacity(this.#docker, signal)), disk: await this.#states.disk() };
  }

  async keepState(id: string, name: string, signal: AbortSignal): Promise<void> {
    await this.#assertEnded(id, signal);
    await this.#states.keep(id, name, signal);
  }

  async restoreState(id: string, name: string, signal: AbortSignal): Promise<void> {
    await this.#assertEnded(id, signal);
    await this.#states.restore(id, name, signal);
  }

  async dropState(id: string, name: string, signal: AbortSignal): Promise<void> {
    assertGatewayId(id);
    signal.throwIfAborted();
    await this.#states.drop(id, name);
  }

  async destroyState(id: string, signal: AbortSignal): Promise<void> {
    await this.#assertEnded(id, signal);
    await this.#states.destroy(id);
  }

  async listStates(signal: AbortSignal): Promise<{ readonly id: string; readonly kept: readonly string[] }[]> {
    signal.throwIfAborted();
    return this.#states.list();
  }

  async list(signal: AbortSignal): Promise<GatewayInventoryEntry[]> {
    const filters = JSON.stringify({ label: [`${LABELS.instance}=${this.options.instance}`, LABELS.gateway] });
    const containers = await callEngine(signal, ENGINE_LIMITS.read, (abortSignal) =>
      this.#docker.listContainers({ all: true, filters, abortSignal }),
    );
    return containers.map(({ Labels, State }) => ({
      id: Labels[LABELS.gateway]!,
      generation: Number(Labels[LABELS.generation]),
      running: State === 'running' || State === 'paused',
    }));
  }

  watch(signal: AbortSignal): AsyncIterable<string> {
    return watchContainers(this.#docker, this.options.instance, signal);
  }

  async logs(id: string, lines: number, signal: AbortSignal): Promise<string[]> {
    const info = await this.#find(id, signal);
    return info ? readLogs(this.#docker.getContainer(info.Id), lines, signal) : [];
  }

  /** The container of that gateway, unless it is somebody else's that only has its name. */
  async #find(id: string, signal: AbortSignal): Promise<Docker.ContainerInspectInfo | undefined> {
    assertGatewayId(id);
    const found = await this.#containers.find(id, signal);
    return found?.foreign ? undefined : found?.info;
  }

  /** Frozen counts as running: it goes on where it was, with its files open. */
  async #assertEnded(id: string, signal: AbortSignal): Promise<void> {
    const info = await this.#find(id, signal);
    if (info && isAlive(info)) {
      throw new DriverError('gateway-running', `The gateway ${id} runs; stop it before its state is touched.`, false);
    }
  }

  /** The port decides the address, so a container that the engine restarts by itself comes back where routes point. */
  #place(spec: GatewaySpec, host: PreparedHost): ContainerPlace {
    const { from, to } = this.options.ports;
    const slot = (spec.port - from) / 2;
    const address = spec.port <= to ? slotAddress(host.subnet, slot) : undefined;
    if (address === undefined) {
      throw new DriverError(
        'engine-refused',
        `Port ${spec.port} is no gateway port of this host: every second one from ${from} to ${to} is.`,
        false,
      );
    }
    return {
      name: this.#containers.nameOf(spec.id),
      instance: this.options.instance,
      engine: host.engine,
      network: host.name,
      address,
      user: this.options.user,
      stateDirectory: this.#states.of(spec.id),
      secretsDirectory: this.#secrets(spec.id),
    };
  }

  #secrets(id: string): string {
    return resolve(this.options.secretsRoot, id);
  }
}

const isNetworkGone = (error: unknown): error is DriverError =>
  error instanceof DriverError && /network \S+ not found/i.test(error.message);
