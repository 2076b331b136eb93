import { createServer } from 'node:net';
import type Docker from 'dockerode';
import { DriverError } from '#libs/drivers/core';
import { callEngine, callUnless, ENGINE_LIMITS } from './engine-call.js';
import {
  formatSubnet,
  freeSubnets,
  hostAddress,
  hostSubnets,
  nobodysAddress,
  parseSubnet,
  type Subnet,
} from './subnets.js';

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

const INSTANCE_LABEL = 'wirebot.instance';
const HOST_LABEL = 'wirebot.host';
const NO_TRAFFIC_BETWEEN = 'com.docker.network.bridge.enable_icc';
const DEFAULT_ROUTE = 'DefaultGatewayIPv4';
const ATTEMPTS = 5;

/**
 * Finds or makes the network `wirebot-<instance>`: internal (no road out) and without traffic between containers. One
 * for all gateways, because the engine's address pools end at about thirty networks. Its address range is read back.
 */
export async function ensureHostNetwork(
  docker: Docker,
  owner: NetworkOwner,
  signal: AbortSignal,
): Promise<HostNetwork> {
  const name = `wirebot-${owner.instance}`;
  const present = (await inspectNetwork(docker, name, signal)) ?? (await createNetwork(docker, name, owner, signal));
  const network = checked(present, name, owner);
  await assertLocal(network.gateway);
  return network;
}

const inspectNetwork = (docker: Docker, name: string, signal: AbortSignal) =>
  callUnless(404, signal, ENGINE_LIMITS.read, (abortSignal) => {
    const network = docker.getNetwork(name);
    // Its types know no options; an engine that hangs must not keep the line either.
    const inspect = network.inspect.bind(network) as (options: object) => Promise<Docker.NetworkInspectInfo>;
    return inspect({ abortSignal });
  });

async function createNetwork(
  docker: Docker,
  name: string,
  owner: NetworkOwner,
  signal: AbortSignal,
): Promise<Docker.NetworkInspectInfo> {
  const free = freeSubnets([...(await hostSubnets()), ...(await engineSubnets(docker, signal))]);
  let failure: unknown = new DriverError(
    'engine-refused',
    'No free address range between 10.201.0.0 and 10.250.255.255 for the gateways on this host.',
    false,
  );
  for (const subnet of free.slice(0, ATTEMPTS)) {
    try {
      await callEngine(signal, ENGINE_LIMITS.change, (bounded) =>
        docker.createNetwork(definition(name, owner, subnet, bounded)),
      );
      failure = undefined;
    } catch (error) {
      failure = error;
    }
    // Also after a failure: another process of this instance may have made it in the meantime.
    const made = await inspectNetwork(docker, name, signal);
    if (made) return made;
    if (!(failure instanceof DriverError) || !/overlap/i.test(failure.message)) break;
  }
  throw failure;
}

const definition = (
  name: string,
  { instance, hostId }: NetworkOwner,
  subnet: Subnet,
  abortSignal: AbortSignal,
): Docker.NetworkCreateOptions => ({
  Name: name,
  Driver: 'bridge',
  CheckDuplicate: true,
  Internal: true,
  EnableIPv6: false,
  Options: { [NO_TRAFFIC_BETWEEN]: 'false' },
  IPAM: {
    Driver: 'default',
    Config: [
      {
        Subnet: formatSubnet(subnet),
        Gateway: hostAddress(subnet),
        // Some engines give even an internal network a default route over this host, and with it a way to everything that
        // listens on the host's other addresses. Leading it to an address that nobody has closes that way.
        AuxiliaryAddresses: { [DEFAULT_ROUTE]: nobodysAddress(subnet) },
      },
    ],
  },
  Labels: { [INSTANCE_LABEL]: instance, ...(hostId ? { [HOST_LABEL]: hostId } : {}) },
  abortSignal,
});

async function engineSubnets(docker: Docker, signal: AbortSignal): Promise<Subnet[]> {
  const networks = await callEngine(signal, ENGINE_LIMITS.read, (bounded) =>
    docker.listNetworks({ abortSignal: bounded }),
  );
  return networks.flatMap(({ IPAM }) => (IPAM?.Config ?? []).flatMap(({ Subnet }) => parseSubnet(Subnet ?? '') ?? []));
}

/** An engine that ignores an option it does not know would leave gateways open to each other: what it made is read back. */
function checked(info: Docker.NetworkInspectInfo, name: string, { instance, hostId }: NetworkOwner): HostNetwork {
  if (info.Labels?.[INSTANCE_LABEL] !== instance) {
    throw new DriverError(
      'engine-refused',
      `A network named ${name} exists that is not this installation's; remove it or change WIREBOT_INSTANCE.`,
      false,
    );
  }
  if ((info.Labels[HOST_LABEL] ?? '') !== (hostId ?? '')) {
    // Two hosts would give the same addresses to different gateways, and each would take the other's for orphans.
    throw new DriverError(
      'engine-refused',
      `This engine serves another host of this installation already (${info.Labels[HOST_LABEL] ?? 'the local one'}); an engine is one host.`,
      false,
    );
  }
  const config = info.IPAM?.Config?.find(({ Subnet }) => parseSubnet(Subnet ?? ''));
  const subnet = parseSubnet(config?.Subnet ?? '');
  const closed = info.Internal && info.Options?.[NO_TRAFFIC_BETWEEN] === 'false';
  if (!subnet || !closed || config?.AuxiliaryAddresses?.[DEFAULT_ROUTE] !== nobodysAddress(subnet)) {
    throw new DriverError(
      'engine-refused',
      `The network ${name} does not isolate gateways; remove it, and use Docker's own engine (others ignore its isolation).`,
      false,
    );
  }
  return { name, subnet, gateway: hostAddress(subnet) };
}

/** An engine in a virtual machine (Docker Desktop, rootless) has its bridges there: then no gateway could be reached. */
function assertLocal(address: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', (cause) => {
      const message = `The engine's network address ${address} is not on this machine: the engine runs in a virtual machine or rootless. Use a local engine, or the process driver.`;
      reject(new DriverError('engine-refused', message, false, { cause }));
    });
    server.listen(0, address, () => server.close(() => resolve()));
  });
}
