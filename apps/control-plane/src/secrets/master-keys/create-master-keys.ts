import type { ControlPlaneConfig } from '#libs/config';
import { EnvironmentSource } from './environment.source.js';
import { FileSource } from './file.source.js';
import { MasterKeyRing, type MasterKeys } from './master-keys.js';
import { VaultSource } from './vault.source.js';

/** The configured source; what lies in the secrets directory can unwrap besides. */
export function createMasterKeys({ masterKeys, secretsDir }: ControlPlaneConfig): MasterKeys {
  const files = new FileSource(secretsDir);
  if (masterKeys.source === 'file') return new MasterKeyRing(files);
  if (masterKeys.source === 'vault') return new MasterKeyRing(new VaultSource(masterKeys.transit), files);
  return new MasterKeyRing(new EnvironmentSource(masterKeys.keys), files);
}
