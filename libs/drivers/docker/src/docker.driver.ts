import { resolve } from 'node:path';
import {
  assertGatewayId,
  DriverError,
  ensurePrivateDirectory,
  type FileOwner,
  type GatewayAddress,
  GatewayDriver,
  type GatewayInventoryEntry,
  type GatewaySpec,
  type GatewayState,
  type HostFacts,
  prepareSecretsRoot,
  removeDirectory,
  writeSecretsDirectory,
} from '#libs/drivers/core';
import Docker from 'dockerode';
import { type ContainerPlace, LABELS } from './container-spec.js';
import { Containers } from './containers.js';
import { callEngine, ENGINE_LIMITS } from './engine-call.js';
import { readLogs } from './engine-logs.js';
import { watchContainers } from './engine-events.js';
import { ensureHostNetwork, type HostNetwork } from './host-network.js';
import { slotAddress } from './subnets.js';

export interface DockerDriverOptions {
  readonly socketPath: string;
  /** Names this installation on the engine: 1-32 lower-case letters or digits. */
  readonly instance: string;
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
  #network: HostNetwork | undefined;

  constructor(private readonly options: DockerDriverOptions) {
    super();
    if (!/^[a-z0-9]{1,32}$/.test(options.instance)) {
      throw new DriverError('engine-refused', 'An instance is named by 1-32 lower-case letters or digits.', false);
    }
    if (options.user.uid === 0)
      throw new DriverError('engine-refused', 'Gateways never run as root; name another user.', false);
    this.#docker = new Docker({ socketPath: options.socketPath });
    this.#containers = new Containers(this.#docker, options.instance);
  }

  async prepare(signal: AbortSignal): Promise<HostFacts> {
    await prepareSecretsRoot(this.options.secretsRoot, this.options.allowSecretsOnDisk ?? false);
    this.#network = await ensureHostNetwork(this.#docker, this.options.instance, signal);
    return { hostAddressForGateways: this.#network.gateway, isolation: ISOLATION };
  }

  async ensure(spec: GatewaySpec, signal: AbortSignal): Promise<GatewayAddress> {
    assertGatewayId(spec.id);
    if (!this.#network) await this.prepare(signal);
    const place = this.#place(spec, this.#network!);
    await ensurePrivateDirectory(place.stateDirectory, this.options.user);
    await writeSecretsDirectory(place.secretsDirectory, spec.secrets, this.options.user);
    try {
      await this.#containers.converge(spec, place, REPLACE_GRACE, signal);
    } catch (error) {
      // Somebody removed the network; the next try makes it again.
      if (isNetworkGone(error)) this.#network = undefined;
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
    assertGatewayId(id);
    const found = await this.#containers.find(id, signal);
    return found && !found.foreign ? stateOf(found.info) : { status: 'absent' };
  }

  async stop(id: string, graceSeconds: number, signal: AbortSignal): Promise<void> {
    assertGatewayId(id);
    const found = await this.#containers.find(id, signal);
    if (found && !found.foreign) await this.#containers.stop(found.info.Id, graceSeconds, signal);
  }

  async remove(id: string, signal: AbortSignal): Promise<void> {
    assertGatewayId(id);
    const found = await this.#containers.find(id, signal);
    if (found && !found.foreign) await this.#containers.discard(found.info, REPLACE_GRACE, signal);
    await removeDirectory(this.#secrets(id));
  }

  async destroyState(id: string, signal: AbortSignal): Promise<void> {
    assertGatewayId(id);
    const found = await this.#containers.find(id, signal);
    if (found && !found.foreign && found.info.State.Running) {
      throw new DriverError('gateway-running', `The gateway ${id} runs; remove it before its state.`, false);
    }
    await removeDirectory(this.#state(id));
  }

  async list(signal: AbortSignal): Promise<GatewayInventoryEntry[]> {
    const filters = JSON.stringify({ label: [`${LABELS.instance}=${this.options.instance}`, LABELS.gateway] });
    const containers = await callEngine(signal, ENGINE_LIMITS.read, (abortSignal) =>
      this.#docker.listContainers({ all: true, filters, abortSignal }),
    );
    return containers.map(({ Labels, State }) => ({
      id: Labels[LABELS.gateway]!,
      generation: Number(Labels[LABELS.generation]),
      running: State === 'running',
    }));
  }

  watch(signal: AbortSignal): AsyncIterable<string> {
    return watchContainers(this.#docker, this.options.instance, signal);
  }

  async logs(id: string, lines: number, signal: AbortSignal): Promise<string[]> {
    assertGatewayId(id);
    const found = await this.#containers.find(id, signal);
    return found && !found.foreign ? readLogs(this.#docker.getContainer(found.info.Id), lines, signal) : [];
  }

  /** The port decides the address, so a container that the engine restarts by itself comes back where routes point. */
  #place(spec: GatewaySpec, network: HostNetwork): ContainerPlace {
    const { from, to } = this.options.ports;
    const slot = (spec.port - from) / 2;
    const address = spec.port <= to ? slotAddress(network.subnet, slot) : undefined;
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
      network: network.name,
      address,
      user: this.options.user,
      stateDirectory: this.#state(spec.id),
      secretsDirectory: this.#secrets(spec.id),
    };
  }

  #state(id: string): string {
    return resolve(this.options.stateRoot, id);
  }

  #secrets(id: string): string {
    return resolve(this.options.secretsRoot, id);
  }
}

const isNetworkGone = (error: unknown): error is DriverError =>
  error instanceof DriverError && /network \S+ not found/i.test(error.message);

function stateOf(info: Docker.ContainerInspectInfo): GatewayState {
  const { State, Config, NetworkSettings } = info;
  const generation = Number(Config.Labels[LABELS.generation]);
  // Between two restarts nothing runs, whatever the engine's "Running" says.
  if (!State.Running || State.Restarting || State.Paused) {
    const exitCode = State.Status === 'created' || State.Paused ? null : State.ExitCode;
    return { status: 'stopped', generation, exitCode, oomKilled: State.OOMKilled };
  }
  const host = Object.values(NetworkSettings.Networks)[0]?.IPAddress ?? '';
  const address = {
    host,
    port: Number(Config.Labels[LABELS.port]),
    controlPort: Number(Config.Labels[LABELS.controlPort]),
  };
  return { status: 'running', generation, address, startedAt: State.StartedAt };
}
