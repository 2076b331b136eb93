import { DomainError, type FieldError } from '#libs/kernel';
import { isIP } from 'node:net';
import { join, resolve } from 'node:path';

export class ConfigInvalid extends DomainError {
  readonly code = 'config-invalid';
  readonly kind = 'invalid';
  constructor(override readonly errors: readonly FieldError[]) {
    super(`Fix these environment variables: ${errors.map((e) => `${e.field} ${e.message}`).join('; ')}.`);
  }
}

export interface Address {
  readonly host: string;
  readonly port: number;
}

export interface ProviderConfig {
  /** Base address without a trailing slash; the provider's paths are appended to it. */
  readonly baseUrl: string;
  /** Secret. Undefined: this provider is not configured. */
  readonly apiKey: string | undefined;
}

export interface ProxyConfig {
  readonly listen: Address;
  /** The address clients use; decides `Secure` cookies and `X-Forwarded-Proto`. */
  readonly publicUrl: string;
  readonly controlPlaneUrl: string;
  readonly credentialPath: string;
  /** The broker's private keys; the control plane must not be able to read it. */
  readonly brokerKeysPath: string;
  readonly routesPath: string;
  /** What model calls took, until it is reported. */
  readonly usageDir: string;
  /** Most bytes of it; beyond, no call begins. */
  readonly usageJournalBytes: number;
  readonly chatDir: string;
  readonly brokerListen: readonly Address[];
  readonly anthropic: ProviderConfig;
  readonly openai: ProviderConfig;
  /** How long a request waits for an agent that is being woken, in milliseconds. */
  readonly wakeWaitMs: number;
  readonly logLevel: 'debug' | 'info' | 'warn' | 'error';
  /** Share of requests that are logged, 0 to 1. */
  readonly accessLogSample: number;
}

type Environment = Readonly<Record<string, string | undefined>>;

/** Reads variables and gathers what is wrong with them. A value never appears in a message. */
class Reader {
  readonly errors: FieldError[] = [];
  constructor(private readonly environment: Environment) {}

  text(name: string, fallback: string): string {
    return this.environment[name]?.trim() || fallback;
  }

  secret(name: string): string | undefined {
    const value = this.environment[name]?.trim() || undefined;
    // A control character would make an invalid header of it later, in the middle of a call.
    if (value && !/^[\x21-\x7e]+$/.test(value)) this.fail(name, 'holds characters that cannot be in an API key');
    return value;
  }

  port(name: string, fallback: number): number {
    const value = Number(this.text(name, String(fallback)));
    if (!Number.isInteger(value) || value < 0 || value > 65_535) this.fail(name, 'must be a port between 0 and 65535');
    return value;
  }

  whole(name: string, range: { readonly min: number; readonly max: number }, fallback: number): number {
    const text = this.text(name, String(fallback));
    const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
    if (value >= range.min && value <= range.max) return value;
    this.fail(name, `must be a whole number from ${range.min} to ${range.max}`);
    return fallback;
  }

  share(name: string): number {
    const value = Number(this.text(name, '0'));
    if (!(value >= 0 && value <= 1)) this.fail(name, 'must be a number between 0 and 1');
    return value;
  }

  url(name: string, fallback: string): string {
    const value = this.text(name, fallback);
    const url = URL.canParse(value) ? new URL(value) : undefined;
    if (!url || !/^https?:$/.test(url.protocol) || url.username || url.password || url.search || url.hash) {
      this.fail(name, 'must be an http or https address without credentials, query or fragment');
    }
    return value.replace(/\/+$/, '');
  }

  choice<T extends string>(name: string, choices: readonly T[], fallback: T): T {
    const value = this.text(name, fallback);
    if (!choices.includes(value as T)) this.fail(name, `must be one of ${choices.join(', ')}`);
    return value as T;
  }

  addresses(name: string): Address[] {
    const parts = this.text(name, '')
      .split(',')
      .filter((part) => part.trim() !== '');
    return parts.flatMap((part) => {
      const match = /^\s*(?:\[([^\]]+)\]|([^:\s]+)):(\d{1,5})\s*$/.exec(part);
      const host = match?.[1] ?? match?.[2] ?? '';
      const port = Number(match?.[3]);
      if (isIP(host) && port <= 65_535) return [{ host, port }];
      this.fail(name, 'must be addresses like 127.0.0.1:4102, separated by commas');
      return [];
    });
  }

  private fail(field: string, message: string): void {
    this.errors.push({ field, message });
  }
}

/** Reads the environment once. Throws ConfigInvalid, which names every variable that is wrong. */
export function readConfig(environment: Environment): ProxyConfig {
  const read = new Reader(environment);
  const dataDir = resolve(read.text('WIREBOT_DATA_DIR', '.wirebot'));
  const listen = { host: read.text('WIREBOT_PROXY_HOST', '127.0.0.1'), port: read.port('WIREBOT_PROXY_PORT', 4100) };
  const config: ProxyConfig = {
    listen,
    publicUrl: read.url('WIREBOT_PROXY_URL', `http://127.0.0.1:${listen.port}`),
    controlPlaneUrl: read.url('WIREBOT_CONTROL_PLANE_URL', 'http://127.0.0.1:4101'),
    credentialPath: join(resolve(read.text('WIREBOT_SECRETS_DIR', join(dataDir, 'secrets'))), 'proxy-credential'),
    brokerKeysPath: join(
      resolve(read.text('WIREBOT_PROXY_SECRETS_DIR', join(dataDir, 'proxy-secrets'))),
      'broker-keys.json',
    ),
    routesPath: join(dataDir, 'proxy', 'routes.json'),
    usageDir: join(dataDir, 'proxy', 'usage'),
    usageJournalBytes: read.whole('WIREBOT_USAGE_JOURNAL_MB', { min: 1, max: 65_536 }, 256) * 1024 * 1024,
    chatDir: resolve(read.text('WIREBOT_CHAT_DIR', 'dist/apps/chat/public')),
    brokerListen: read.addresses('WIREBOT_BROKER_LISTEN'),
    anthropic: {
      baseUrl: read.url('ANTHROPIC_BASE_URL', 'https://api.anthropic.com'),
      apiKey: read.secret('ANTHROPIC_API_KEY'),
    },
    openai: {
      baseUrl: read.url('OPENAI_BASE_URL', 'https://api.openai.com/v1'),
      apiKey: read.secret('OPENAI_API_KEY'),
    },
    wakeWaitMs: read.whole('WIREBOT_WAKE_WAIT_SECONDS', { min: 1, max: 110 }, 30) * 1_000,
    logLevel: read.choice('WIREBOT_LOG_LEVEL', ['debug', 'info', 'warn', 'error'], 'info'),
    accessLogSample: read.share('WIREBOT_ACCESS_LOG_SAMPLE'),
  };
  if (read.errors.length > 0) throw new ConfigInvalid(read.errors);
  return config;
}
