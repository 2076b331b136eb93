import { describe, expect, it } from 'vitest';
import { ConfigInvalid, readConfig } from './proxy.config.js';

describe('readConfig', () => {
  it('has a default for everything but the provider keys', () => {
    const config = readConfig({});
    expect(config).toMatchObject({
      listen: { host: '127.0.0.1', port: 4100 },
      publicUrl: 'http://127.0.0.1:4100',
      brokerListen: [],
      anthropic: { baseUrl: 'https://api.anthropic.com', apiKey: undefined },
      openai: { baseUrl: 'https://api.openai.com/v1', apiKey: undefined },
      accessLogSample: 0,
    });
    expect(config.credentialPath).toMatch(/\.wirebot\/secrets\/proxy-credential$/);
  });

  it('reads several broker addresses, of both families', () => {
    const config = readConfig({ WIREBOT_BROKER_LISTEN: '127.0.0.1:4102, [::1]:4103,172.30.0.1:4102' });
    expect(config.brokerListen).toEqual([
      { host: '127.0.0.1', port: 4102 },
      { host: '::1', port: 4103 },
      { host: '172.30.0.1', port: 4102 },
    ]);
  });

  it('takes an empty variable as one that is not set', () => {
    expect(readConfig({ ANTHROPIC_API_KEY: ' ', WIREBOT_PROXY_PORT: '' })).toMatchObject({
      anthropic: { apiKey: undefined },
      listen: { port: 4100 },
    });
  });

  it.each([
    ['WIREBOT_PROXY_PORT', '70000'],
    ['WIREBOT_PROXY_PORT', 'eighty'],
    ['WIREBOT_PROXY_URL', 'not an address'],
    ['WIREBOT_CONTROL_PLANE_URL', 'ftp://host'],
    ['ANTHROPIC_BASE_URL', 'https://user:hunter2@host'],
    ['OPENAI_BASE_URL', 'https://host/v1?key=hunter2'],
    ['WIREBOT_BROKER_LISTEN', 'localhost:4102'],
    ['WIREBOT_BROKER_LISTEN', '10.9.8.7'],
    ['WIREBOT_LOG_LEVEL', 'loud'],
    ['WIREBOT_ACCESS_LOG_SAMPLE', '2'],
    ['ANTHROPIC_API_KEY', 'hunter2\nX-Evil: 1'],
  ])('names %s when it is wrong, and never shows its value', (name, value) => {
    const read = () => readConfig({ [name]: value });
    expect(read).toThrow(ConfigInvalid);
    expect(read).toThrow(name);
    expect(read).not.toThrow(value);
  });

  it('names every wrong variable at once', () => {
    expect(() => readConfig({ WIREBOT_PROXY_PORT: 'x', WIREBOT_LOG_LEVEL: 'x' })).toThrow(
      /WIREBOT_PROXY_PORT.*WIREBOT_LOG_LEVEL/,
    );
  });
});
