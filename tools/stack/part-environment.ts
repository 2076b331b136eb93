import { join } from 'node:path';
import { built, type StackPaths } from './paths.js';
import type { GatewayPorts, StackPorts } from './ports.js';

type Environment = Readonly<Record<string, string | undefined>>;

/** What the parts are told, as far as it is known before they start. */
export interface StackFacts {
  readonly paths: StackPaths;
  readonly instance: string;
  readonly ports: StackPorts;
  readonly gatewayPorts: GatewayPorts;
  readonly databaseUrl: string;
  readonly redisUrl: string | undefined;
  readonly host: {
    readonly driver: 'docker' | 'process';
    readonly socketPath?: string;
    readonly image: string;
    readonly address: string;
  };
}

/** Variables of the user's shell that a part may see. Everything else stays outside, above all other programs' secrets. */
const PASSED =
  /^(PATH|HOME|USER|LOGNAME|LANG|LC_.*|TZ|TMPDIR|NO_COLOR|NODE_EXTRA_CA_CERTS|SSL_CERT_(FILE|DIR)|WIREBOT_.*)$/;
const PROXIES = /^(HTTPS?|NO|ALL)_PROXY$/i;
/** Provider keys: only the proxy, whose model broker calls providers, holds them. */
const PROVIDER = /^(ANTHROPIC|OPENAI)_(API_KEY|BASE_URL)$/;

/** The control plane's alone: a proxy that was taken over must not open what the database holds. */
const CONTROL_PLANE_ONLY = /^WIREBOT_(MASTER_KEY|MASTER_KEYS_OLDER|VAULT_.*|SMTP_.*)$/;

const without = (variables: Record<string, string>, pattern: RegExp): Record<string, string> =>
  Object.fromEntries(Object.entries(variables).filter(([name]) => !pattern.test(name)));

const pick = (env: Environment, ...patterns: RegExp[]): Record<string, string> =>
  Object.fromEntries(
    Object.entries(env).filter(
      (entry): entry is [string, string] =>
        entry[1] !== undefined && patterns.some((pattern) => pattern.test(entry[0])),
    ),
  );

export const stackUrls = ({ ports }: Pick<StackFacts, 'ports'>, env: Environment) => ({
  proxy: (env['WIREBOT_PROXY_URL'] || `http://127.0.0.1:${ports.proxy}`).replace(/\/+$/, ''),
  controlPlane: (env['WIREBOT_CONTROL_PLANE_URL'] || `http://127.0.0.1:${ports.controlPlane}`).replace(/\/+$/, ''),
});

/** The provider that members' agents use by default, by the keys that are there. */
export function modelProvider(env: Environment): string {
  if (env['WIREBOT_MODEL_PROVIDER']) return env['WIREBOT_MODEL_PROVIDER'];
  if (env['ANTHROPIC_API_KEY']) return 'anthropic';
  return env['OPENAI_BASE_URL'] || env['OPENAI_API_KEY'] ? 'openai' : 'offline';
}

function common(facts: StackFacts, env: Environment): Record<string, string> {
  const urls = stackUrls(facts, env);
  return {
    NODE_ENV: 'production',
    ...pick(env, PASSED, PROXIES),
    WIREBOT_DATA_DIR: facts.paths.dataDir,
    WIREBOT_SECRETS_DIR: facts.paths.secrets,
    WIREBOT_CONTROL_PLANE_URL: urls.controlPlane,
    WIREBOT_PROXY_URL: urls.proxy,
  };
}

export function controlPlaneEnvironment(facts: StackFacts, env: Environment): Record<string, string> {
  return {
    ...common(facts, env),
    WIREBOT_CONTROL_PLANE_PORT: String(facts.ports.controlPlane),
    DATABASE_URL: facts.databaseUrl,
    ...(facts.redisUrl ? { REDIS_URL: facts.redisUrl } : {}),
    WIREBOT_DRIVER: facts.host.driver,
    WIREBOT_INSTANCE: facts.instance,
    // The same at every start: what a killed control plane held is then free at once instead of when its leases end.
    WIREBOT_NODE_NAME: `local-${facts.instance}`,
    ...(facts.host.socketPath ? { WIREBOT_DOCKER_SOCKET: facts.host.socketPath } : {}),
    WIREBOT_GATEWAY_IMAGE: facts.host.image,
    WIREBOT_GATEWAY_PORTS: `${facts.gatewayPorts.from}-${facts.gatewayPorts.to}`,
    WIREBOT_BROKER_PORT: String(facts.ports.broker),
    WIREBOT_MODEL_PROVIDER: modelProvider(env),
  };
}

/** The caller's own, and secrets that are in no file on purpose: whoever runs a command sets them again. */
const NEVER_WRITTEN = /^(PATH|HOME|USER|LOGNAME|TMPDIR|WIREBOT_(MASTER_KEY|MASTER_KEYS_OLDER|VAULT_TOKEN|SMTP_URL))$/;

/** What `npm run wirebot` tells a command: as the control plane, without what belongs to the caller's own shell. */
export const commandEnvironment = (facts: StackFacts, env: Environment): Record<string, string> =>
  without(controlPlaneEnvironment(facts, env), NEVER_WRITTEN);

export function proxyEnvironment(facts: StackFacts, env: Environment): Record<string, string> {
  return {
    ...without(common(facts, env), CONTROL_PLANE_ONLY),
    ...pick(env, PROVIDER),
    WIREBOT_PROXY_SECRETS_DIR: facts.paths.proxySecrets,
    WIREBOT_PROXY_PORT: String(facts.ports.proxy),
    WIREBOT_BROKER_LISTEN: `${facts.host.address}:${facts.ports.broker}`,
    WIREBOT_CHAT_DIR: env['WIREBOT_CHAT_DIR'] || join(built('apps', 'chat'), 'public'),
  };
}
