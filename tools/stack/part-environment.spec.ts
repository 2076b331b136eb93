import { describe, expect, it } from 'vitest';
import {
  commandEnvironment,
  controlPlaneEnvironment,
  modelProvider,
  proxyEnvironment,
  type StackFacts,
} from './part-environment.js';
import { stackPaths } from './paths.js';

const facts: StackFacts = {
  paths: stackPaths('/data'),
  instance: '0123abcd',
  ports: { proxy: 4100, controlPlane: 4101, broker: 4102 },
  gatewayPorts: { from: 21_000, to: 21_999 },
  databaseUrl: 'postgresql://db/wirebot',
  redisUrl: undefined,
  host: { driver: 'docker', socketPath: '/run/docker.sock', image: 'sha256:1', address: '10.201.0.1' },
};
const shell = {
  PATH: '/bin',
  ANTHROPIC_API_KEY: 'sk-ant',
  OPENAI_API_KEY: 'sk-oai',
  DATABASE_URL: 'postgresql://other',
  AWS_SECRET_ACCESS_KEY: 'aws',
  WIREBOT_LOG_LEVEL: 'debug',
};

describe('environment of the parts', () => {
  it('gives provider keys to the proxy and to nobody else', () => {
    expect(proxyEnvironment(facts, shell)).toMatchObject({ ANTHROPIC_API_KEY: 'sk-ant', OPENAI_API_KEY: 'sk-oai' });
    expect(JSON.stringify(controlPlaneEnvironment(facts, shell))).not.toMatch(/sk-ant|sk-oai/);
  });

  it('keeps the database from the proxy and foreign secrets from both', () => {
    expect(proxyEnvironment(facts, shell)).not.toHaveProperty('DATABASE_URL');
    expect(controlPlaneEnvironment(facts, shell)['DATABASE_URL']).toBe('postgresql://db/wirebot');
    for (const environment of [proxyEnvironment(facts, shell), controlPlaneEnvironment(facts, shell)]) {
      expect(environment).not.toHaveProperty('AWS_SECRET_ACCESS_KEY');
      expect(environment).toMatchObject({ PATH: '/bin', WIREBOT_LOG_LEVEL: 'debug' });
    }
  });

  it('gives the master key to the control plane alone, and writes it into no file', () => {
    const secrets = { WIREBOT_MASTER_KEY: 'mk', WIREBOT_VAULT_TOKEN: 'hvs', WIREBOT_SMTP_URL: 'smtp://u:p@h' };
    expect(controlPlaneEnvironment(facts, { ...shell, ...secrets })).toMatchObject(secrets);
    for (const environment of [proxyEnvironment, commandEnvironment])
      expect(Object.keys(environment(facts, { ...shell, ...secrets }))).not.toEqual(
        expect.arrayContaining([expect.stringMatching(/MASTER_KEY|VAULT|SMTP/)]),
      );
    expect(commandEnvironment(facts, shell)['DATABASE_URL']).toBe('postgresql://db/wirebot');
  });

  it('lets the broker listen where gateways see the host', () => {
    expect(proxyEnvironment(facts, {})['WIREBOT_BROKER_LISTEN']).toBe('10.201.0.1:4102');
    expect(controlPlaneEnvironment(facts, {})['WIREBOT_BROKER_PORT']).toBe('4102');
  });

  it.each([
    [{}, 'offline'],
    [{ ANTHROPIC_API_KEY: 'x', OPENAI_API_KEY: 'y' }, 'anthropic'],
    [{ OPENAI_API_KEY: 'y' }, 'openai'],
    [{ OPENAI_BASE_URL: 'http://127.0.0.1:11434/v1' }, 'openai'],
    [{ ANTHROPIC_API_KEY: 'x', WIREBOT_MODEL_PROVIDER: 'offline' }, 'offline'],
  ])('derives the model provider of %o', (env, provider) => {
    expect(modelProvider(env)).toBe(provider);
  });
});
