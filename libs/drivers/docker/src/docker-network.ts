import type Docker from 'dockerode';
import { callEngine, callUnless, ENGINE_LIMITS } from './engine-call.js';
import type { FoundNetwork, NetworkMaker } from './host-network.js';
import { formatSubnet, hostAddress, nobodysAddress, parseSubnet, type Subnet } from './subnets.js';

const NO_TRAFFIC_BETWEEN = 'com.docker.network.bridge.enable_icc';
const DEFAULT_ROUTE = 'DefaultGatewayIPv4';

/** Docker's engine isolates by options of the network itself, and keeps its firewall rules with it. */
export class DockerNetworks implements NetworkMaker {
  readonly standing = true;

  constructor(private readonly docker: Docker) {}

  async find(name: string, signal: AbortSignal): Promise<FoundNetwork | undefined> {
    const info = await callUnless(404, signal, ENGINE_LIMITS.read, (abortSignal) => {
      const network = this.docker.getNetwork(name);
      // Its types know no options; an engine that hangs must not keep the line either.
      const inspect = network.inspect.bind(network) as (options: object) => Promise<Docker.NetworkInspectInfo>;
      return inspect({ abortSignal });
    });
    return info && describe(info);
  }

  async create(name: string, labels: Record<string, string>, subnet: Subnet, signal: AbortSignal): Promise<void> {
    await callEngine(signal, ENGINE_LIMITS.change, (abortSignal) =>
      this.docker.createNetwork({ ...definition(name, subnet), Labels: labels, abortSignal }),
    );
  }

  async seal(): Promise<void> {
    // Nothing is missing.
  }
}

const definition = (name: string, subnet: Subnet) => ({
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
});

function describe({ Labels, IPAM, Internal, Options }: Docker.NetworkInspectInfo): FoundNetwork {
  const config = IPAM?.Config?.find(({ Subnet }) => parseSubnet(Subnet ?? ''));
  const subnet = parseSubnet(config?.Subnet ?? '');
  const nowhere = subnet !== undefined && config?.AuxiliaryAddresses?.[DEFAULT_ROUTE] === nobodysAddress(subnet);
  return { labels: Labels ?? {}, subnet, closed: Internal && Options?.[NO_TRAFFIC_BETWEEN] === 'false' && nowhere };
}
