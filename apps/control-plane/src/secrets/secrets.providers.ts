import type { Provider } from '@nestjs/common';
import { ControlPlaneConfig } from '#libs/config';
import { DataKeys } from './data-keys.js';
import { Envelope } from './envelope.js';
import { GatewayCredentials } from './gateway-credentials.js';
import { createMasterKeys } from './master-keys/create-master-keys.js';
import { MasterKeys } from './master-keys/master-keys.js';
import { MasterKeyCheck } from './master-key-check.js';
import { PlatformKeys } from './platform-keys.js';
import { PlatformRoot } from './platform-root.js';
import { SecretBox } from './secret-box.js';
import { Vault } from './vault.js';

/** The 32 bytes that the installation's own keys derive from; a class so that it can be injected. */
abstract class Root {
  abstract readonly bytes: Buffer;
}

const fromRoot = <T>(make: (bytes: Buffer) => T) => ({
  inject: [Root],
  useFactory: (root: Root): T => make(root.bytes),
});

async function loadRoot(check: MasterKeyCheck, root: PlatformRoot): Promise<Root> {
  await check.run();
  return { bytes: await root.load() };
}

/** What every feature may seal and derive with. Needs ControlPlaneConfig, Database, Ids and Clock. */
export const secretsProviders: Provider[] = [
  { provide: MasterKeys, inject: [ControlPlaneConfig], useFactory: createMasterKeys },
  DataKeys,
  Envelope,
  MasterKeyCheck,
  PlatformRoot,
  { provide: Root, inject: [MasterKeyCheck, PlatformRoot], useFactory: loadRoot },
  { provide: PlatformKeys, ...fromRoot((bytes) => new PlatformKeys(bytes)) },
  { provide: GatewayCredentials, ...fromRoot((bytes) => new GatewayCredentials(bytes)) },
  { provide: SecretBox, ...fromRoot((bytes) => new SecretBox(bytes)) },
  Vault,
];

export const secretsExports = [MasterKeys, DataKeys, PlatformKeys, GatewayCredentials, SecretBox, Vault] as const;
