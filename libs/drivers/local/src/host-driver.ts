import { DriverError, type GatewayDriver, type HostConnection, type HostCredentials } from '#libs/drivers/core';
import type { EngineAddress } from '#libs/drivers/docker';
import { containerUser, createLocalDriver, DOCKER_SOCKET, type LocalDriverOptions } from './local-driver.js';

/** `driver`, `dataDir` and `dockerSocket` are the local host's; the others' engine and folders come from their connection. */
export interface HostDriverOptions extends LocalDriverOptions {
  readonly hostId: string;
  readonly connection: HostConnection;
  readonly credentials: HostCredentials;
}

/** The driver of any host of the installation. Talks to nobody yet: `prepare` finds out whether the host can be used. */
export async function createHostDriver(options: HostDriverOptions): Promise<GatewayDriver> {
  const { connection, credentials, instance, hostId, ports } = options;
  if (connection.kind === 'local') return createLocalDriver(options);
  const { DockerDriver } = await import('#libs/drivers/docker');
  const { stateRoot, secretsRoot } = connection;
  const engine = engineOf(connection, credentials);
  return new DockerDriver({ engine, instance, hostId, ports, stateRoot, secretsRoot, user: containerUser() });
}

function engineOf(connection: Exclude<HostConnection, { kind: 'local' }>, secrets: HostCredentials): EngineAddress {
  if (connection.kind === 'unix') return { kind: 'unix', socketPath: connection.socketPath };
  const { kind, host, port } = connection;
  if (kind === 'tls') {
    const { ca, cert, key } = secrets;
    if (!ca || !cert || !key) throw missing('a TLS host', 'ca, cert and key (PEM)');
    return { kind, host, port, ca, cert, key };
  }
  const { key, hostKey } = secrets;
  if (!key || !hostKey) throw missing('an SSH host', 'key (a private key) and hostKey (SHA256:... of the host key)');
  return { kind, host, port, user: connection.user, key, hostKey, socketPath: connection.socketPath ?? DOCKER_SOCKET };
}

const missing = (host: string, what: string): DriverError =>
  new DriverError('engine-refused', `The credentials of ${host} are ${what}; set all of them.`, false);
