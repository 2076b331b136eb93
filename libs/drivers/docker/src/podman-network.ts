import type Docker from 'dockerode';
import { callEngine, callUnless, ENGINE_LIMITS } from './engine-call.js';
import type { FoundNetwork, NetworkMaker } from './host-network.js';
import { askLibpod } from './libpod.js';
import { raiseBarriers } from './network-barriers.js';
import { formatSubnet, hostAddress, parseSubnet, type Subnet } from './subnets.js';

interface PodmanNetwork {
  readonly internal?: boolean;
  readonly dns_enabled?: boolean;
  readonly ipv6_enabled?: boolean;
  readonly subnets?: readonly { readonly subnet?: string; readonly gateway?: string }[];
  readonly labels?: Readonly<Record<string, string>> | null;
}

/**
 * Podman's own interface: its Docker one cannot switch off the name server, which would be a way out of an internal
 * network. Podman has nothing against traffic between containers on one network: barriers of the host are.
 */
export class PodmanNetworks implements NetworkMaker {
  readonly standing = false;

  constructor(private readonly docker: Docker) {}

  async find(name: string, signal: AbortSignal): Promise<FoundNetwork | undefined> {
    const info = await callUnless(404, signal, ENGINE_LIMITS.read, (abortSignal) =>
      askLibpod<PodmanNetwork>(this.docker, { method: 'GET', path: `/networks/${name}/json`, abortSignal }),
    );
    return info && describe(info);
  }

  async create(name: string, labels: Record<string, string>, subnet: Subnet, signal: AbortSignal): Promise<void> {
    const subnets = [{ subnet: formatSubnet(subnet), gateway: hostAddress(subnet) }];
    const closed = { internal: true, dns_enabled: false, ipv6_enabled: false };
    await callEngine(signal, ENGINE_LIMITS.change, (abortSignal) =>
      askLibpod(this.docker, {
        method: 'POST',
        path: '/networks/create',
        options: { name, driver: 'bridge', ...closed, subnets, labels },
        abortSignal,
      }),
    );
  }

  seal(subnet: Subnet, signal: AbortSignal): Promise<void> {
    return raiseBarriers(formatSubnet(subnet), signal);
  }
}

function describe({ internal, dns_enabled, ipv6_enabled, subnets, labels }: PodmanNetwork): FoundNetwork {
  const only = subnets?.length === 1 ? subnets[0] : undefined;
  const subnet = parseSubnet(only?.subnet ?? '');
  const asMade = subnet !== undefined && only?.gateway === hostAddress(subnet);
  return { labels: labels ?? {}, subnet, closed: internal === true && !dns_enabled && !ipv6_enabled && asMade };
}
