import { join } from 'node:path';
import type { ControlPlaneConfig } from '#libs/config';
import { defaultSecretsRoot, type HostConnection } from '#libs/drivers/core';

type Settings = Pick<ControlPlaneConfig, 'instance' | 'dataDir'>;
interface Connected {
  readonly connection: unknown;
}

const connectionOf = (host: Connected): HostConnection => host.connection as HostConnection;

/** Where the host's gateways have their state; the same path here and there. */
export function stateRootOf(host: Connected, { dataDir }: Settings): string {
  const connection = connectionOf(host);
  return connection.kind === 'local' ? join(connection.dataDir ?? dataDir, 'gateways') : connection.stateRoot;
}

/** Where the host's gateways find their secrets; the same path here and there. */
export async function secretsRootOf(host: Connected, { instance }: Settings): Promise<string> {
  const connection = connectionOf(host);
  return connection.kind === 'local' ? defaultSecretsRoot(instance) : connection.secretsRoot;
}
