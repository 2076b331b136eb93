import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { afterAll, beforeEach, describe, expect, it } from 'vitest';
import { ControlPlaneConfig } from './control-plane-config.js';
import { ConfigInvalid } from './errors.js';

const folder = mkdtempSync(join(tmpdir(), 'wirebot-config-'));
const masterKey = 'ab'.repeat(32);
const minimal = { DATABASE_URL: 'postgres://wirebot:hunter22@db.example:5432/wirebot', WIREBOT_SECRETS_DIR: folder };

beforeEach(() => {
  writeFileSync(join(folder, 'master-key'), `${masterKey}\n`);
  writeFileSync(join(folder, 'proxy-credential'), 'proxy-credential-value\n');
});
afterAll(() => rmSync(folder, { recursive: true }));

const failure = (environment: Record<string, string>): ConfigInvalid => {
  try {
    const accepted = new ControlPlaneConfig({ ...minimal, ...environment });
    throw new Error(`the configuration was accepted on port ${accepted.port}`);
  } catch (error) {
    if (error instanceof ConfigInvalid) return error;
    throw error;
  }
};

describe('the control plane configuration', () => {
  it('has a default for everything but the database and the secrets', () => {
    expect(new ControlPlaneConfig(minimal)).toMatchObject({
      host: '127.0.0.1',
      port: 4101,
      url: 'http://127.0.0.1:4101',
      proxyUrl: 'http://127.0.0.1:4100',
      driver: 'process',
      gatewayPorts: { from: 21_000, to: 21_999 },
      model: { provider: 'offline', name: 'offline' },
      roles: ['api', 'worker'],
      leaseSeconds: 15,
      operationDeadlineSeconds: 300,
      gatewayStartSeconds: 60,
      sharedCellSize: 50,
    });
  });

  it('reads secrets from files and shows none of them when it is printed', () => {
    const config = new ControlPlaneConfig({ ...minimal, REDIS_URL: 'redis://:hunter33@cache:6379' });
    expect(config.masterKeys).toEqual({ source: 'file' });
    expect(config.proxyCredential).toBe('proxy-credential-value');
    expect(config.redisUrl).toBe('redis://:hunter33@cache:6379');
    const printed = inspect(config) + JSON.stringify(config);
    for (const secret of ['hunter22', 'hunter33', masterKey, 'proxy-credential-value'])
      expect(printed).not.toContain(secret);
  });

  it('cannot be changed', () => {
    const config = new ControlPlaneConfig(minimal) as { port: number };
    expect(() => (config.port = 1)).toThrow(TypeError);
  });

  it('takes an empty variable as not set', () => {
    expect(new ControlPlaneConfig({ ...minimal, WIREBOT_CONTROL_PLANE_PORT: '', REDIS_URL: '' })).toMatchObject({
      port: 4101,
    });
  });

  it('drops trailing slashes of URLs, so that paths can be appended', () => {
    const config = new ControlPlaneConfig({ ...minimal, WIREBOT_PROXY_URL: 'https://chat.example/' });
    expect(config.proxyUrl).toBe('https://chat.example');
  });

  it.each([
    ['DATABASE_URL', 'mysql://secret-thing@x'],
    ['DATABASE_URL', ''],
    ['REDIS_URL', 'secret-thing'],
    ['WIREBOT_CONTROL_PLANE_PORT', '70000'],
    ['WIREBOT_CONTROL_PLANE_PORT', '41o1'],
    ['WIREBOT_CONTROL_PLANE_URL', 'https://user:secret-thing@x'],
    ['WIREBOT_PROXY_URL', 'chat.example'],
    ['WIREBOT_DRIVER', 'secret-thing'],
    ['WIREBOT_INSTANCE', 'ABCDEFGH'],
    ['WIREBOT_GATEWAY_PORTS', '21000'],
    ['WIREBOT_GATEWAY_PORTS', '21001-21002'],
    ['WIREBOT_GATEWAY_PORTS', '22000-21000'],
    ['WIREBOT_GATEWAY_PORTS', '80-90'],
    ['WIREBOT_MODEL_PROVIDER', 'secret-thing'],
    ['WIREBOT_ROLES', 'api,secret-thing'],
    ['WIREBOT_LOG_LEVEL', 'loud'],
    ['WIREBOT_NODE_NAME', 'a b'],
    ['WIREBOT_OPERATION_DEADLINE_SECONDS', '0'],
    ['WIREBOT_GATEWAY_START_SECONDS', '-1'],
    ['WIREBOT_AGENTS_PER_GATEWAY', '1.5'],
    ['WIREBOT_SIGNING_KEY_DAYS', '366'],
    ['WIREBOT_TENANT_ERASE_AFTER_DAYS', '3651'],
  ])('names %s and not its value %j when it is wrong', (variable, value) => {
    const error = failure({ [variable]: value });
    expect(error.variable).toBe(variable);
    expect(error.message).toContain(variable);
    expect(error.message).not.toContain('secret-thing');
  });

  it('takes the master key from the environment, and leaves nothing of it there', () => {
    const other = 'cd'.repeat(32);
    const variables = { WIREBOT_MASTER_KEY: masterKey, WIREBOT_MASTER_KEYS_OLDER: `${other}, ${masterKey}` };
    const config = new ControlPlaneConfig({ ...minimal, ...variables });
    expect(config.masterKeys).toEqual({
      source: 'environment',
      keys: [masterKey, other, masterKey].map((key) => Buffer.from(key, 'hex')),
    });
    expect(inspect(config, { depth: 5 })).not.toContain('masterKeys');
    Object.assign(process.env, minimal, variables);
    try {
      expect(new ControlPlaneConfig().masterKeys).toMatchObject({ source: 'environment' });
      expect(JSON.stringify(process.env)).not.toContain(masterKey);
      expect(new ControlPlaneConfig().masterKeys).toMatchObject({ source: 'environment' });
    } finally {
      for (const name of Object.keys(minimal)) delete process.env[name];
    }
  });

  it('takes the address, key and token of a Vault', () => {
    const config = new ControlPlaneConfig({
      ...minimal,
      WIREBOT_MASTER_KEY_SOURCE: 'vault',
      WIREBOT_VAULT_ADDR: 'https://vault.example/',
      WIREBOT_VAULT_TOKEN: 'hvs.secret-thing',
      WIREBOT_VAULT_NAMESPACE: 'team',
    });
    expect(config.masterKeys).toEqual({
      source: 'vault',
      transit: {
        address: 'https://vault.example',
        namespace: 'team',
        mount: 'transit',
        key: 'wirebot',
        token: { value: 'hvs.secret-thing' },
      },
    });
  });

  it.each([
    ['WIREBOT_MASTER_KEY', { WIREBOT_MASTER_KEY: 'secret-thing' }],
    ['WIREBOT_MASTER_KEY', { WIREBOT_MASTER_KEY_SOURCE: 'environment' }],
    ['WIREBOT_MASTER_KEYS_OLDER', { WIREBOT_MASTER_KEY: masterKey, WIREBOT_MASTER_KEYS_OLDER: 'secret-thing' }],
    ['WIREBOT_VAULT_ADDR', { WIREBOT_MASTER_KEY_SOURCE: 'vault', WIREBOT_VAULT_TOKEN: 'secret-thing' }],
    ['WIREBOT_VAULT_ADDR', { WIREBOT_MASTER_KEY_SOURCE: 'vault', WIREBOT_VAULT_ADDR: 'http://vault.example' }],
    ['WIREBOT_VAULT_TOKEN_FILE', { WIREBOT_MASTER_KEY_SOURCE: 'vault', WIREBOT_VAULT_ADDR: 'https://vault.example' }],
    ['WIREBOT_MASTER_KEY_SOURCE', { WIREBOT_MASTER_KEY_SOURCE: 'drawer' }],
  ])('names %s when the source of the master key is not complete', (variable, environment) => {
    const error = failure(environment as Record<string, string>);
    expect(error.variable).toBe(variable);
    expect(error.message).not.toContain('secret-thing');
  });

  it('names a secret file that is missing or malformed, and never shows what it holds', () => {
    writeFileSync(join(folder, 'master-key'), 'short-but-secret');
    expect(failure({}).message).toContain('master-key');
    expect(failure({}).message).not.toContain('short-but-secret');
    rmSync(join(folder, 'proxy-credential'));
    writeFileSync(join(folder, 'master-key'), masterKey);
    expect(failure({}).message).toContain('proxy-credential');
  });
});
