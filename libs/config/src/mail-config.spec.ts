import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { ControlPlaneConfig } from './control-plane-config.js';
import type { ConfigInvalid } from './errors.js';
import type { MailConfig } from './mail-config.js';

const folder = mkdtempSync(join(tmpdir(), 'wirebot-mail-config-'));
const from = 'Wirebot <no-reply@example.com>';
const configWith = (environment: Record<string, string>) =>
  new ControlPlaneConfig({
    DATABASE_URL: 'postgres://db.example/wirebot',
    WIREBOT_SECRETS_DIR: folder,
    ...environment,
  });
const mailOf = (url: string): MailConfig | undefined =>
  configWith({ WIREBOT_SMTP_URL: url, WIREBOT_MAIL_FROM: from }).mail;

beforeAll(() => {
  writeFileSync(join(folder, 'master-key'), 'ab'.repeat(32));
  writeFileSync(join(folder, 'proxy-credential'), 'proxy-credential-value');
});
afterEach(() => rmSync(join(folder, 'smtp-url'), { force: true }));
afterAll(() => rmSync(folder, { recursive: true }));

it('believes no proxy by default, and those that are named', () => {
  expect(configWith({}).trustedProxies).toEqual([]);
  const named = configWith({ WIREBOT_TRUSTED_PROXIES: '10.0.0.0/8, 127.0.0.1,fd00::/8' });
  expect(named.trustedProxies).toEqual(['10.0.0.0/8', '127.0.0.1', 'fd00::/8']);
});

describe('the mail server', () => {
  it.each([
    ['smtps://u:p%40ss@mail.example', { host: 'mail.example', port: 465, tls: 'implicit', password: 'p@ss' }],
    ['smtp://u:pass@mail.example', { host: 'mail.example', port: 587, tls: 'required', password: 'pass' }],
    ['smtp://u:pass@mail.example:2525?tls=opportunistic', { port: 2525, tls: 'opportunistic' }],
    ['smtp://127.0.0.1:1025', { host: '127.0.0.1', port: 1025, tls: 'opportunistic' }],
    ['smtp://[::1]:1025?tls=required', { host: '::1', port: 1025, tls: 'required' }],
  ])('is read from %s', (url, expected) => {
    const { login, ...server } = mailOf(url)!;
    expect({ ...server, ...(login ? { password: login.password } : {}) }).toMatchObject(expected);
    expect(server.from).toBe(from);
  });

  it('is read from the secrets directory too', () => {
    writeFileSync(join(folder, 'smtp-url'), 'smtps://u:filed@mail.example\n');
    expect(configWith({ WIREBOT_MAIL_FROM: from }).mail).toMatchObject({ login: { password: 'filed' } });
  });

  it('is none by default', () => {
    expect(configWith({}).mail).toBeUndefined();
    expect(configWith({ WIREBOT_MAIL_FROM: from }).mail).toBeUndefined();
  });

  it('is not shown when the configuration is printed', () => {
    const config = configWith({ WIREBOT_SMTP_URL: 'smtp://u:hunter44@mail.example', WIREBOT_MAIL_FROM: from });
    expect(inspect(config, { depth: 5 }) + JSON.stringify(config)).not.toContain('hunter44');
  });

  it.each([
    ['WIREBOT_SMTP_URL', { WIREBOT_SMTP_URL: 'https://u:secret-thing@x', WIREBOT_MAIL_FROM: from }],
    ['WIREBOT_SMTP_URL', { WIREBOT_SMTP_URL: 'secret-thing', WIREBOT_MAIL_FROM: from }],
    ['WIREBOT_SMTP_URL', { WIREBOT_SMTP_URL: 'smtp://u:secret-thing@x?tls=off', WIREBOT_MAIL_FROM: from }],
    ['WIREBOT_SMTP_URL', { WIREBOT_SMTP_URL: 'smtp://u:secret-thing%@x', WIREBOT_MAIL_FROM: from }],
    ['WIREBOT_MAIL_FROM', { WIREBOT_SMTP_URL: 'smtp://u:secret-thing@x' }],
    ['WIREBOT_MAIL_FROM', { WIREBOT_SMTP_URL: 'smtp://x', WIREBOT_MAIL_FROM: 'no address' }],
    ['WIREBOT_MAIL_FROM', { WIREBOT_SMTP_URL: 'smtp://x', WIREBOT_MAIL_FROM: 'A <a@b>\r\nBcc: c@d' }],
    ['WIREBOT_TRUSTED_PROXIES', { WIREBOT_TRUSTED_PROXIES: '10.0.0.0/8,secret-thing' }],
    ['WIREBOT_TRUSTED_PROXIES', { WIREBOT_TRUSTED_PROXIES: '10.0.0.0/33' }],
    ['WIREBOT_TRUSTED_PROXIES', { WIREBOT_TRUSTED_PROXIES: 'fd00::/129' }],
    ['WIREBOT_REQUIRE_OPERATOR_TOTP', { WIREBOT_REQUIRE_OPERATOR_TOTP: 'secret-thing' }],
  ])('names %s and not its value when it is wrong', (variable, environment) => {
    let failure: unknown;
    try {
      configWith(environment as Record<string, string>);
    } catch (error) {
      failure = error;
    }
    expect((failure as ConfigInvalid).variable).toBe(variable);
    expect((failure as ConfigInvalid).message).not.toContain('secret-thing');
  });
});
