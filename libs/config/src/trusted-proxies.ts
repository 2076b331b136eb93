import { isIP } from 'node:net';
import { ConfigInvalid } from './errors.js';
import type { EnvironmentReader } from './reader.js';

const VARIABLE = 'WIREBOT_TRUSTED_PROXIES';
const FORM = 'expected a comma-separated list of addresses or CIDR blocks such as 10.0.0.0/8,fd00::/8';

function isBlock(text: string): boolean {
  const [address = '', bits, ...more] = text.split('/');
  const most = { 0: -1, 4: 32, 6: 128 }[isIP(address)] ?? -1;
  return most > 0 && more.length === 0 && (bits === undefined || (/^\d{1,3}$/.test(bits) && Number(bits) <= most));
}

/** Whose `X-Forwarded-For` is believed; by default nobody's. */
export function readTrustedProxies(env: EnvironmentReader): readonly string[] {
  const blocks = (env.optional(VARIABLE) ?? '').split(',').map((part) => part.trim());
  const given = blocks.filter((part) => part !== '');
  if (!given.every(isBlock)) throw new ConfigInvalid(VARIABLE, FORM);
  return Object.freeze(given);
}
