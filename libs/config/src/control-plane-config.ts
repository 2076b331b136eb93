import { createHash, randomBytes } from 'node:crypto';
import { hostname } from 'node:os';
import { resolve } from 'node:path';
import { type BackupConfig, readBackupConfig } from './backup-config.js';
import { ConfigInvalid } from './errors.js';
import { type MailConfig, readMailConfig } from './mail-config.js';
import { type MasterKeyConfig, readMasterKeyConfig } from './master-key-config.js';
import { type ProvisioningConfig, readProvisioningConfig } from './provisioning-config.js';
import { type Environment, EnvironmentReader, readSecretFile } from './reader.js';
import { readTrustedProxies } from './trusted-proxies.js';

export const ROLES = ['api', 'worker'] as const;
export type Role = (typeof ROLES)[number];
const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const;

/** Everything the control plane is told from outside: read once, checked, frozen. Secrets are not enumerable, so no dump shows them. */
export class ControlPlaneConfig {
  readonly host: string;
  readonly port: number;
  /** Public URL of the control plane without trailing slash; also the issuer of member tokens. */
  readonly url: string;
  /** Public URL of the proxy without trailing slash. */
  readonly proxyUrl: string;
  declare readonly databaseUrl: string;
  declare readonly redisUrl: string | undefined;
  /** Absolute. */
  readonly dataDir: string;
  /** Absolute. */
  readonly secretsDir: string;
  declare readonly masterKeys: MasterKeyConfig;
  /** A JWK as text. Undefined: the file `broker-public.json` in the secrets directory, if there is one. */
  readonly brokerPublicKey: string | undefined;
  /** What proxies authenticate with on /internal. */
  declare readonly proxyCredential: string;
  /** Undefined: no mail can be sent. */
  declare readonly mail: MailConfig | undefined;
  readonly driver: 'docker' | 'process';
  /** Eight hex characters that name this installation on an engine; by default the data directory's hash. */
  readonly instance: string;
  readonly dockerSocket: string;
  /** Image id or reference for Docker; absolute path of the bundle for processes. */
  readonly gatewayImage: string;
  readonly gatewayPorts: { readonly from: number; readonly to: number };
  readonly brokerPort: number;
  readonly model: { readonly provider: 'anthropic' | 'openai' | 'offline'; readonly name: string };
  readonly nodeName: string;
  readonly provisioning: ProvisioningConfig;
  readonly backups: BackupConfig;
  readonly roles: readonly Role[];
  readonly logLevel: (typeof LOG_LEVELS)[number];
  /** How long a reconciler holds a row before others may take it, unless it renews. */
  readonly leaseSeconds: number;
  readonly operationDeadlineSeconds: number;
  readonly gatewayStartSeconds: number;
  /** Most agents on one shared gateway. */
  readonly sharedCellSize: number;
  /** Requests per API key and minute. */
  readonly requestsPerMinute: number;
  /** How long single model calls are kept; the sums of days stay. */
  readonly usageDays: number;
  /** How long a key signs member tokens before the next one takes over. */
  readonly signingKeyDays: number;
  /** Outgoing webhooks may reach private addresses and plain http: for installations whose receivers are inside. */
  readonly webhooksAllowPrivate: boolean;
  /** A closed tenant's data is erased after this many days, unless the call that closes it says otherwise. */
  readonly tenantEraseAfterDays: number;
  /** Operators whose session was opened with one factor reach nothing but their own account. */
  readonly requireOperatorTotp: boolean;
  /** Addresses and CIDR blocks of the reverse proxies in front: what they say about the caller's address is believed. */
  readonly trustedProxies: readonly string[];

  /** Throws ConfigInvalid, which names the variable and what it takes. */
  constructor(environment: Environment = process.env) {
    const env = new EnvironmentReader(environment);
    this.host = env.text('WIREBOT_CONTROL_PLANE_HOST', '127.0.0.1');
    this.port = env.port('WIREBOT_CONTROL_PLANE_PORT', 4101);
    this.url = env.baseUrl('WIREBOT_CONTROL_PLANE_URL', `http://127.0.0.1:${this.port}`);
    this.proxyUrl = env.baseUrl('WIREBOT_PROXY_URL', 'http://127.0.0.1:4100');
    this.dataDir = resolve(env.text('WIREBOT_DATA_DIR', '.wirebot'));
    this.secretsDir = resolve(env.text('WIREBOT_SECRETS_DIR', `${this.dataDir}/secrets`));
    this.driver = env.oneOf('WIREBOT_DRIVER', ['docker', 'process'], 'process');
    this.instance = env.matching(
      'WIREBOT_INSTANCE',
      /^[0-9a-f]{8}$/,
      'expected eight hex characters',
      shortHash(this.dataDir),
    );
    this.dockerSocket = env.text('WIREBOT_DOCKER_SOCKET', '/var/run/docker.sock');
    this.gatewayImage = readImage(env, this.driver);
    this.gatewayPorts = readPorts(env);
    this.brokerPublicKey = env.optional('WIREBOT_BROKER_PUBLIC_KEY');
    this.brokerPort = env.port('WIREBOT_BROKER_PORT', 4180);
    this.model = readModel(env);
    this.nodeName = env.matching(
      'WIREBOT_NODE_NAME',
      /^[\w.-]{1,100}$/,
      'expected up to 100 letters, digits, dots, dashes or underscores',
      `${hostname()}-${randomBytes(4).toString('hex')}`,
    );
    this.provisioning = readProvisioningConfig(env, this.driver);
    this.backups = readBackupConfig(env, this.dataDir, this.secretsDir);
    this.roles = Object.freeze(env.listOf('WIREBOT_ROLES', ROLES, ROLES));
    this.logLevel = env.oneOf('WIREBOT_LOG_LEVEL', LOG_LEVELS, 'info');
    this.leaseSeconds = env.integer('WIREBOT_LEASE_SECONDS', { min: 3, max: 300 }, 15);
    this.operationDeadlineSeconds = env.integer('WIREBOT_OPERATION_DEADLINE_SECONDS', { min: 1, max: 86_400 }, 300);
    this.gatewayStartSeconds = env.integer('WIREBOT_GATEWAY_START_SECONDS', { min: 1, max: 3_600 }, 60);
    this.sharedCellSize = env.integer('WIREBOT_AGENTS_PER_GATEWAY', { min: 1, max: 1_000 }, 50);
    this.requestsPerMinute = env.integer('WIREBOT_REQUESTS_PER_MINUTE', { min: 1, max: 1_000_000 }, 600);
    this.usageDays = env.integer('WIREBOT_USAGE_DAYS', { min: 1, max: 3_650 }, 400);
    this.tenantEraseAfterDays = env.integer('WIREBOT_TENANT_ERASE_AFTER_DAYS', { min: 0, max: 3_650 }, 30);
    this.signingKeyDays = env.integer('WIREBOT_SIGNING_KEY_DAYS', { min: 1, max: 365 }, 30);
    this.webhooksAllowPrivate = env.oneOf('WIREBOT_WEBHOOKS_ALLOW_PRIVATE', ['true', 'false'], 'false') === 'true';
    this.requireOperatorTotp = env.oneOf('WIREBOT_REQUIRE_OPERATOR_TOTP', ['true', 'false'], 'false') === 'true';
    this.trustedProxies = readTrustedProxies(env);
    this.#readSecrets(env);
    Object.freeze(this);
  }

  #readSecrets(env: EnvironmentReader): void {
    const secrets = {
      databaseUrl: env.connectionUrl('DATABASE_URL', ['postgres:', 'postgresql:']),
      redisUrl: env.optional('REDIS_URL') && env.connectionUrl('REDIS_URL', ['redis:', 'rediss:']),
      masterKeys: readMasterKeyConfig(env, this.secretsDir),
      mail: readMailConfig(env, this.secretsDir),
      proxyCredential: readSecretFile(
        this.secretsDir,
        'proxy-credential',
        /^\S{16,512}$/,
        'it must hold 16 or more characters',
      ),
    };
    for (const [name, value] of Object.entries(secrets))
      Object.defineProperty(this, name, { value, enumerable: false });
  }
}

const shortHash = (text: string): string => createHash('sha256').update(text).digest('hex').slice(0, 8);

function readImage(env: EnvironmentReader, driver: 'docker' | 'process'): string {
  const image = env.text(
    'WIREBOT_GATEWAY_IMAGE',
    driver === 'process' ? 'dist/gateway/gateway.mjs' : 'wirebot-gateway',
  );
  return driver === 'process' ? resolve(image) : image;
}

/** Each gateway takes an even port and the next one for its control listener. */
function readPorts(env: EnvironmentReader): { from: number; to: number } {
  const name = 'WIREBOT_GATEWAY_PORTS';
  const expected = 'expected a range such as 21000-21999 with room for two ports, from 1024 to 65535';
  const range = env
    .matching(name, /^\d{4,5}-\d{4,5}$/, expected, '21000-21999')
    .split('-')
    .map(Number);
  const [from, to] = range as [number, number];
  if (from < 1024 || to > 65_535 || to - (from + (from % 2)) < 1) throw new ConfigInvalid(name, expected);
  return Object.freeze({ from, to });
}

const DEFAULT_MODELS = { anthropic: 'claude-sonnet-5-5', openai: 'gpt-5-mini', offline: 'offline' } as const;

function readModel(env: EnvironmentReader): ControlPlaneConfig['model'] {
  const provider = env.oneOf('WIREBOT_MODEL_PROVIDER', ['anthropic', 'openai', 'offline'] as const, 'offline');
  return Object.freeze({ provider, name: env.text('WIREBOT_MODEL', DEFAULT_MODELS[provider]) });
}
