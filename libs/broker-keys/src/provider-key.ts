import { compactDecrypt, CompactEncrypt, decodeProtectedHeader, importJWK, type JWK } from 'jose';
import { type BrokerKey, SEALING } from './broker-key.js';
import { ProviderKeyUnreadable } from './errors.js';

/** Whose key it is, for what; sealed with the key and compared at opening, so that it cannot be passed to somebody else. */
export interface KeyOwner {
  readonly tenantId: string;
  /** Null: of every member of the tenant. */
  readonly memberId: string | null;
  readonly provider: string;
}

/** Seals a provider key so that only who has the private half can open it: a compact JWE. */
export async function sealProviderKey(
  recipient: JWK & { readonly kid: string },
  owner: KeyOwner,
  key: string,
): Promise<string> {
  const { tenantId, memberId, provider } = owner;
  const plain = Buffer.from(JSON.stringify({ tenantId, memberId, provider, key }));
  try {
    return await new CompactEncrypt(plain)
      .setProtectedHeader({ alg: SEALING.alg, enc: SEALING.enc, kid: recipient.kid })
      .encrypt(await importJWK(recipient, SEALING.alg));
  } finally {
    plain.fill(0);
  }
}

/** The broker key that a sealed provider key names; undefined for what is no JWE. */
export function recipientOf(jwe: string): string | undefined {
  try {
    const { kid } = decodeProtectedHeader(jwe);
    return typeof kid === 'string' ? kid : undefined;
  } catch {
    return undefined;
  }
}

/** Throws ProviderKeyUnreadable when it was sealed to another broker or for another owner. */
export async function openProviderKey(keys: readonly BrokerKey[], owner: KeyOwner, jwe: string): Promise<string> {
  const kid = recipientOf(jwe);
  const key = keys.find((known) => known.kid === kid);
  if (!key) throw new ProviderKeyUnreadable(kid);
  const content = await decryptWith(key, jwe);
  const same =
    content.tenantId === owner.tenantId &&
    content.memberId === owner.memberId &&
    content.provider === owner.provider &&
    typeof content.key === 'string';
  if (!same) throw new ProviderKeyUnreadable(kid);
  return content.key!;
}

async function decryptWith(key: BrokerKey, jwe: string): Promise<Partial<KeyOwner> & { readonly key?: string }> {
  try {
    const { plaintext } = await compactDecrypt(jwe, await importJWK(key.privateJwk, SEALING.alg), {
      keyManagementAlgorithms: [SEALING.alg],
      contentEncryptionAlgorithms: [SEALING.enc],
    });
    const text = Buffer.from(plaintext.buffer, plaintext.byteOffset, plaintext.length).toString('utf8');
    plaintext.fill(0);
    return JSON.parse(text) as Partial<KeyOwner> & { readonly key?: string };
  } catch {
    // No cause: a decoder's message may quote what it decoded.
    throw new ProviderKeyUnreadable(key.kid);
  }
}
