import { ConfigInvalid } from './errors.js';
import { type EnvironmentReader, readSecretFile } from './reader.js';

export const MASTER_KEY_PATTERN = /^[0-9a-f]{64}$/i;
const MASTER_KEY_FORM = 'it must hold 64 hex characters';

/** Vault's transit engine, or anything that speaks its HTTP API. */
export interface VaultTransitConfig {
  /** Without a trailing slash. */
  readonly address: string;
  readonly namespace: string | undefined;
  readonly mount: string;
  readonly key: string;
  /** A file is read again at every call, because an agent renews it. */
  readonly token: { readonly value: string } | { readonly file: string };
}

/**
 * Where the master key comes from. Whatever the source, keys in the secrets directory (`master-key`, `master-key.<id>`) can
 * still unwrap: an installation moves from one source to another without a stop.
 */
export type MasterKeyConfig =
  | { readonly source: 'file' }
  /** The first one wraps, the others only unwrap. 32 bytes each. */
  | { readonly source: 'environment'; readonly keys: readonly Buffer[] }
  | { readonly source: 'vault'; readonly transit: VaultTransitConfig };

export function readMasterKeyConfig(env: EnvironmentReader, secretsDir: string): MasterKeyConfig {
  const named = env.take('WIREBOT_MASTER_KEY');
  const older = env.take('WIREBOT_MASTER_KEYS_OLDER');
  const token = env.take('WIREBOT_VAULT_TOKEN');
  const source = env.oneOf(
    'WIREBOT_MASTER_KEY_SOURCE',
    ['file', 'environment', 'vault'] as const,
    named ? 'environment' : 'file',
  );
  if (source === 'vault') return { source, transit: readTransit(env, token) };
  if (source === 'environment') return { source, keys: readKeys(named, older) };
  readSecretFile(secretsDir, 'master-key', MASTER_KEY_PATTERN, MASTER_KEY_FORM);
  return { source };
}

function readKeys(named: string | undefined, older: string | undefined): Buffer[] {
  const check = (variable: string, value: string): Buffer => {
    if (!MASTER_KEY_PATTERN.test(value)) throw new ConfigInvalid(variable, MASTER_KEY_FORM);
    return Buffer.from(value, 'hex');
  };
  const others = (older ?? '').split(',').filter((part) => part.trim() !== '');
  return [
    check('WIREBOT_MASTER_KEY', named ?? ''),
    ...others.map((part) => check('WIREBOT_MASTER_KEYS_OLDER', part.trim())),
  ];
}

function readTransit(env: EnvironmentReader, token: string | undefined): VaultTransitConfig {
  const address = env.baseUrl('WIREBOT_VAULT_ADDR');
  const { protocol, hostname } = new URL(address);
  const loopback = /^(localhost|127(\.\d+){3}|\[::1\])$/.test(hostname);
  if (protocol !== 'https:' && !loopback)
    throw new ConfigInvalid('WIREBOT_VAULT_ADDR', 'expected https, except on this machine: a token travels there');
  const file = env.optional('WIREBOT_VAULT_TOKEN_FILE');
  if (!token && !file)
    throw new ConfigInvalid('WIREBOT_VAULT_TOKEN_FILE', 'it (or WIREBOT_VAULT_TOKEN) must be set for the source vault');
  const name = 'expected letters, digits, dots, dashes or underscores';
  return {
    address,
    namespace: env.optional('WIREBOT_VAULT_NAMESPACE'),
    mount: env.matching('WIREBOT_VAULT_TRANSIT_MOUNT', /^[\w.-]+(\/[\w.-]+)*$/, name, 'transit'),
    key: env.matching('WIREBOT_VAULT_TRANSIT_KEY', /^[\w.-]+$/, name, 'wirebot'),
    token: file ? { file } : { value: token! },
  };
}
