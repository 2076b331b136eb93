import { InvalidRequest } from '../http/http.errors.js';
import { SecretPurposeUnknown } from './secrets.errors.js';

/** What tenants may store: their own model provider's key, and files in the secrets directory of agents. */
export const SECRET_PURPOSES = ['provider', 'gateway'] as const;
export type SecretPurpose = (typeof SECRET_PURPOSES)[number];

export const SECRET_LIMITS = {
  /** UTF-8 bytes of a gateway secret. */
  bytes: 16 * 1024,
  /** Of the tenant itself, and of each member. */
  perOwner: 50,
  /** A shorter value's last characters would tell too much of it. */
  hintFrom: 20,
} as const;

const PROVIDERS: readonly string[] = ['anthropic', 'openai'];
/** Becomes a file name; no dot comes first, so nothing climbs out of its directory and nothing is hidden. */
const FILE_NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;
/** Becomes part of a header. */
const HEADER_VALUE = /^[\x21-\x7e]{8,512}$/;

/** Throws when there is no such kind of secret. */
export function checkName(purpose: string, name: string): SecretPurpose {
  if (purpose === 'provider') {
    if (!PROVIDERS.includes(name))
      throw new InvalidRequest([{ field: 'name', message: 'must be anthropic or openai' }]);
    return purpose;
  }
  if (purpose !== 'gateway') throw new SecretPurposeUnknown(SECRET_PURPOSES);
  if (!FILE_NAME.test(name)) {
    const message = 'must be 1 to 64 letters, digits, dots, dashes or underscores, and begin with a letter or digit';
    throw new InvalidRequest([{ field: 'name', message }]);
  }
  return purpose;
}

export function checkValue(purpose: SecretPurpose, value: string): void {
  if (purpose === 'provider' && !HEADER_VALUE.test(value))
    throw new InvalidRequest([{ field: 'value', message: 'must be 8 to 512 visible ASCII characters without spaces' }]);
  const bytes = Buffer.byteLength(value);
  if (bytes === 0 || bytes > SECRET_LIMITS.bytes || value.includes('\0'))
    throw new InvalidRequest([{ field: 'value', message: `must be 1 to ${SECRET_LIMITS.bytes} bytes without NUL` }]);
}

/** The last four characters, so that people can tell keys apart. */
export const hintOf = (value: string): string | null =>
  value.length >= SECRET_LIMITS.hintFrom ? value.slice(-4) : null;

/** What a stored secret is bound to: it cannot be moved to another tenant, member, purpose or name. */
export const secretContext = (owner: {
  readonly tenantId: string | null;
  readonly memberId: string | null;
  readonly purpose: string;
  readonly name: string;
}): string => `secret/${owner.tenantId ?? ''}/${owner.memberId ?? ''}/${owner.purpose}/${owner.name}`;
