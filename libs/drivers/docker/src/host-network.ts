import { createServer } from 'node:net';
import type Docker from 'dockerode';
import { DriverError } from '#libs/drivers/core';
import { callEngine, ENGINE_LIMITS } from './engine-call.js';
import { freeSubnets, hostAddress, hostSubnets, parseSubnet, type Subnet } from './subnets.js';

/** The one network of this instance's gateways on this host. */
export interface HostNetwork {
  readonly name: string;
  readonly subnet: Subnet;
  /** The host's address on it. */
  readonly gateway: string;
}

/** Whose network it is. `hostId`: missing for the engine beside the control plane. */
export interface NetworkOwner {
  readonly instance: string;
  readonly hostId?: string | undefined;
}

/** A network as an engine describes it. `closed`: it has every property that keeps gateways apart and in. */
export interface FoundNetwork {
  readonly labels: Readonly<Record<string, string>>;
  readonly subnet: Subnet | undefined;
  readonly closed: boolean;
}

/** How an engine makes a network without a road out and without traffic between containers. */
export interface NetworkMaker {
  find(name: string, signal: AbortSignal): Promise<FoundNetwork | undefined>;
  create(name: string, labels: Record<string, string>, subnet: Subnet, signal: AbortSignal): Promise<void>;
  /** What the network itself does not do for isolation; asserted again before every start. */
  seal(subnet: Subnet, signal: AbortSignal): Promise<void>;
  /** False when the host's address on it is there only while a container is. */
  readonly standing: boolean;
}

const INSTANCE_LABEL = 'wirebot.instance';
const HOST_LABEL = 'wirebot.host';
const ATTEMPTS = 5;

/**
 * Finds or makes the network `wirebot-<instance>`: internal (no road out) and without traffic between containers. One
 * for all gateways, because the engine's address pools end at about thirty networks. Its address range is read back.
 */
export async function ensureHostNetwork(
  docker: Docker,
  maker: NetworkMaker,
  owner: NetworkOwner,
  signal: AbortSignal,
): Promise<HostNetwork> {
  const name = `wirebot-${owner.instance}`;
  const present = (await maker.find(name, signal)) ?? (await createNetwork(docker, maker, name, owner, signal));
  const subnet = checked(present, name, owner);
  if (maker.standing) await assertLocal(hostAddress(subnet));
  await maker.seal(subnet, signal);
  return { name, subnet, gateway: hostAddress(subnet) };
}

async function createNetwork(
  docker: Docker,
  maker: NetworkMaker,
  name: string,
  { instance, hostId }: NetworkOwner,
  signal: AbortSignal,
): Promise<FoundNetwork> {
  const labels = { [INSTANCE_LABEL]: instance, ...(hostId ? { [HOST_LABEL]: hostId } : {}) };
  const free = freeSubnets([...(await hostSubnets()), ...(await engineSubnets(docker, signal))]);
  let failure: unknown = new DriverError(
    'engine-refused',
    'No free address range between 10.201.0.0 and 10.250.255.255 for the gateways on this host.',
    false,
  );
  for (const subnet of free.slice(0, ATTEMPTS)) {
    try {
      await maker.create(name, labels, subnet, signal);
      failure = undefined;
    } catch (error) {
      failure = error;
    }
    // Also after a failure: another process of this instance may have made it in the meantime.
    const made = await maker.find(name, signal);
    if (made) return made;
    if (!(failure instanceof DriverError) || !/overlap|already used/i.test(failure.message)) break;
  }
  throw failure;
}

async function engineSubnets(docker: Docker, signal: AbortSignal): Promise<Subnet[]> {
  const networks = await callEngine(signal, ENGINE_LIMITS.read, (bounded) =>
    docker.listNetworks({ abortSignal: bounded }),
  );
  return networks.flatMap(({ IPAM }) => (IPAM?.Config ?? []).flatMap(({ Subnet }) => parseSubnet(Subnet ?? '') ?? []));
}

/** An engine that ignores an option it does not know would leave gateways open to each other: what it made is read back. */
function checked({ labels, subnet, closed }: FoundNetwork, name: string, { instance, hostId }: NetworkOwner): Subnet {
  if (labels[INSTANCE_LABEL] !== instance) {
    throw new DriverError(
      'engine-refused',
      `A network named ${name} exists that is not this installation's; remove it or change WIREBOT_INSTANCE.`,
      false,
    );
  }
  if ((labels[HOST_LABEL] ?? '') !== (hostId ?? '')) {
    // Two hosts would give the same addresses to different gateways, and each would take the other's for orphans.
    throw new DriverError(
      'engine-refused',
      `This engine serves another host of this installation already (${labels[HOST_LABEL] ?? 'the local one'}); an engine is one host.`,
      false,
    );
  }
  if (!subnet || !closed) {
    throw new DriverError(
      'engine-refused',
      `The network ${name} does not isolate gateways; remove it, and use Docker's own engine or Podman (others ignore its isolation).`,
      false,
    );
  }
  return subnet;
}

/** An engine in a virtual machine (Docker Desktop, rootless) has its bridges there: then no gateway could be reached. */
export function assertLocal(address: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', (cause) => {
      const message = `The engine's network address ${address} is not on this machine: the engine runs in a virtual machine or rootless. Use a local engine, or the process driver.`;
      reject(new DriverError('engine-refused', message, false, { cause }));
    });
    server.listen(0, address, () => server.close(() => resolve()));
  });
}
