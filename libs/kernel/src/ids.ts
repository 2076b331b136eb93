import { randomBytes } from 'node:crypto';
import type { Clock } from './clock.js';

/** Prefixes of every id. An id is `<prefix>_<26 base-32 characters>`: a UUIDv7's bits, so ids sort by creation time. */
export const ID_PREFIXES = {
  tenant: 'ten',
  member: 'mem',
  workspace: 'wsp',
  subscription: 'sub',
  agent: 'agt',
  gateway: 'gw',
  host: 'hst',
  operation: 'op',
  apiKey: 'key',
  user: 'usr',
  audit: 'aud',
  tier: 'tier',
  session: 'ses',
  task: 'tsk',
  token: 'tok',
  userSession: 'uss',
  identityProvider: 'idp',
  mail: 'mail',
  invitation: 'inv',
  trustTransition: 'ttr',
  trustSignal: 'tsg',
  dataKey: 'dek',
  secret: 'sec',
  modelCall: 'call',
  quotaLease: 'lse',
  webhook: 'whk',
  delivery: 'dlv',
  memberExport: 'exp',
  backup: 'bak',
  backupKey: 'bkey',
  rollout: 'rol',
  finding: 'fnd',
} as const;
export type IdKind = keyof typeof ID_PREFIXES;

const ALPHABET = '0123456789abcdefghjkmnpqrstvwxyz';

function encode(bytes: Uint8Array): string {
  let value = 0n;
  for (const byte of bytes) value = (value << 8n) | BigInt(byte);
  let text = '';
  for (let i = 0; i < 26; i += 1) {
    text = ALPHABET[Number(value & 31n)] + text;
    value >>= 5n;
  }
  return text;
}

/** Makes ids. Injected, so that tests decide time and randomness. */
export abstract class Ids {
  abstract next(kind: IdKind): string;
}

export class SortableIds extends Ids {
  constructor(
    private readonly clock: Clock,
    private readonly random: (size: number) => Uint8Array = randomBytes,
  ) {
    super();
  }

  next(kind: IdKind): string {
    const bytes = new Uint8Array(16);
    let at = this.clock.now().getTime();
    for (let i = 5; i >= 0; i -= 1) {
      bytes[i] = at % 256;
      at = Math.floor(at / 256);
    }
    bytes.set(this.random(10), 6);
    bytes[6] = (bytes[6]! & 0x0f) | 0x70;
    bytes[8] = (bytes[8]! & 0x3f) | 0x80;
    return `${ID_PREFIXES[kind]}_${encode(bytes)}`;
  }
}

/** True for a well-formed id of that kind; says nothing about whether it exists. */
export const isId = (kind: IdKind, value: string): boolean =>
  new RegExp(`^${ID_PREFIXES[kind]}_[0-9a-hjkmnp-tv-z]{26}$`).test(value);
