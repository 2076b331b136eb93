import type Docker from 'dockerode';
import { DockerNetworks } from './docker-network.js';
import { assertRootful, type EngineKind, engineKind } from './engine-kind.js';
import { assertSameFolders } from './folder-proof.js';
import { assertLocal, ensureHostNetwork, type HostNetwork, type NetworkOwner } from './host-network.js';
import { PodmanNetworks } from './podman-network.js';

/** A host that has been found fit for gateways. */
export interface PreparedHost extends HostNetwork {
  readonly engine: EngineKind;
  /** Makes sure of what somebody may have undone since: asked before every start. */
  reassert(signal: AbortSignal): Promise<void>;
  /** What only a started gateway shows: that the engine's network is on this machine. */
  assertReachable(): Promise<void>;
}

export async function prepareHost(
  docker: Docker,
  owner: NetworkOwner,
  folders: readonly string[],
  signal: AbortSignal,
): Promise<PreparedHost> {
  const engine = await engineKind(docker, signal);
  await assertRootful(docker, signal);
  const networks = engine === 'podman' ? new PodmanNetworks(docker) : new DockerNetworks(docker);
  const network = await ensureHostNetwork(docker, networks, owner, signal);
  await assertSameFolders(docker, engine, folders, signal);
  let local = networks.standing;
  return {
    ...network,
    engine,
    reassert: (again) => networks.seal(network.subnet, again),
    assertReachable: async () => {
      if (!local) await assertLocal(network.gateway);
      local = true;
    },
  };
}
