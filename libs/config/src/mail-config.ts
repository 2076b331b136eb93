import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { ConfigInvalid } from './errors.js';
import { type EnvironmentReader, readSecretFile } from './reader.js';

/** The server that mail is handed to. */
export interface MailConfig {
  readonly host: string;
  readonly port: number;
  /**
   * implicit: TLS from the first byte (smtps://). required: STARTTLS, or nothing is sent. opportunistic: STARTTLS where it is
   * offered.
   */
  readonly tls: 'implicit' | 'required' | 'opportunistic';
  readonly login: { readonly user: string; readonly password: string } | undefined;
  /** `Name <address>` or an address alone. */
  readonly from: string;
}

const VARIABLE = 'WIREBOT_SMTP_URL';
const FILE = 'smtp-url';
const FORM =
  'expected smtps://user:password@host:465 or smtp://user:password@host:587, with ?tls=required or ?tls=opportunistic';
const ADDRESS = String.raw`[^\s<>@",;]+@[^\s<>@",;]+`;
const FROM = new RegExp(String.raw`^(?:[^<>\r\n]{1,100} <${ADDRESS}>|${ADDRESS})$`);
const LOOPBACK = /^(localhost|127(\.\d+){3}|\[::1\])$/;

/** Undefined: no mail is sent from here. The URL holds a password: it may be in the secrets directory instead. */
export function readMailConfig(env: EnvironmentReader, secretsDir: string): MailConfig | undefined {
  const text = env.take(VARIABLE) ?? readFileUrl(secretsDir);
  if (text === undefined) return undefined;
  const url = URL.parse(text);
  if (!url || (url.protocol !== 'smtp:' && url.protocol !== 'smtps:') || url.hostname === '')
    throw new ConfigInvalid(VARIABLE, FORM);
  const expected = 'expected an address such as Wirebot <no-reply@example.com>; it must be set to send mail';
  const from = env.matching('WIREBOT_MAIL_FROM', FROM, expected);
  const implicit = url.protocol === 'smtps:';
  const host = url.hostname.replace(/^\[(.*)\]$/, '$1');
  const port = Number(url.port) || (implicit ? 465 : 587);
  return Object.freeze({ host, port, tls: implicit ? 'implicit' : readTls(url), login: readLogin(url), from });
}

function readFileUrl(secretsDir: string): string | undefined {
  if (!existsSync(join(secretsDir, FILE))) return undefined;
  return readSecretFile(secretsDir, FILE, /^\S+$/, FORM);
}

/** Passwords and sign-in links never leave this machine in clear, unless somebody asked for that. */
function readTls(url: URL): 'required' | 'opportunistic' {
  const tls = url.searchParams.get('tls') ?? (LOOPBACK.test(url.hostname) ? 'opportunistic' : 'required');
  if (tls !== 'required' && tls !== 'opportunistic') throw new ConfigInvalid(VARIABLE, FORM);
  return tls;
}

function readLogin({ username, password }: URL): MailConfig['login'] {
  if (username === '') return undefined;
  try {
    return { user: decodeURIComponent(username), password: decodeURIComponent(password) };
  } catch {
    throw new ConfigInvalid(VARIABLE, FORM); // a stray % sign; the value is not shown
  }
}
