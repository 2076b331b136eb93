import { createHash, createPrivateKey, generateKeyPairSync, type KeyObject, randomBytes, sign } from 'node:crypto';
import { isoCBOR } from '@simplewebauthn/server/helpers';

interface Stored {
  readonly id: Buffer;
  readonly key: KeyObject;
  readonly userHandle: string;
  counter: number;
}

/** What goes wrong on purpose. */
export interface Faults {
  readonly origin?: string;
  readonly rpId?: string;
  readonly userVerified?: boolean;
  readonly challenge?: string;
  readonly type?: string;
  readonly userHandle?: string | null;
  readonly counter?: number;
  readonly aaguid?: string;
}

/** An authenticator in software, byte by byte as WebAuthn level 3 has it: ES256, no attestation, counts its uses. */
export class SoftAuthenticator {
  readonly #stored: Stored[] = [];

  constructor(private readonly origin: string) {}

  /** Answers `navigator.credentials.create`, as the browser's `toJSON()` writes it. */
  create(options: Record<string, unknown>, faults: Faults = {}): Record<string, unknown> {
    const { rp, user, challenge } = options as { rp: { id: string }; user: { id: string }; challenge: string };
    const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const stored = { id: randomBytes(32), key: privateKey, userHandle: user.id, counter: 0 };
    this.#stored.push(stored);
    const { x, y } = publicKey.export({ format: 'jwk' });
    const bytes = (text: string) => new Uint8Array(Buffer.from(text, 'base64url'));
    const cose = new Map<number, number | Uint8Array>([
      [1, 2],
      [3, -7],
      [-1, 1],
      [-2, bytes(x!)],
      [-3, bytes(y!)],
    ]);
    const aaguid = Buffer.from((faults.aaguid ?? '00000000-0000-0000-0000-000000000000').replaceAll('-', ''), 'hex');
    const length = Buffer.alloc(2);
    length.writeUInt16BE(stored.id.length);
    const attested = Buffer.concat([aaguid, length, stored.id, isoCBOR.encode(cose as never)]);
    const authData = new Uint8Array(Buffer.concat([this.#authData(rp.id, 0x41, 0, faults), attested]));
    const object = new Map<string, unknown>([
      ['fmt', 'none'],
      ['attStmt', new Map()],
      ['authData', authData],
    ]);
    return this.#answer(stored, {
      clientDataJSON: this.#clientData('webauthn.create', challenge, faults),
      attestationObject: Buffer.from(isoCBOR.encode(object as never)).toString('base64url'),
      transports: ['internal', 'hybrid'],
    });
  }

  /** Answers `navigator.credentials.get`, with the last passkey it made. */
  get(options: Record<string, unknown>, faults: Faults = {}): Record<string, unknown> {
    const { rpId, challenge } = options as { rpId: string; challenge: string };
    const stored = this.#stored.at(-1)!;
    stored.counter = faults.counter ?? stored.counter + 1;
    const authData = this.#authData(rpId, 0x01, stored.counter, faults);
    const clientDataJSON = this.#clientData('webauthn.get', challenge, faults);
    const hash = createHash('sha256').update(Buffer.from(clientDataJSON, 'base64url')).digest();
    const signature = sign('sha256', Buffer.concat([authData, hash]), stored.key);
    const userHandle = faults.userHandle === undefined ? stored.userHandle : faults.userHandle;
    return this.#answer(stored, {
      clientDataJSON,
      authenticatorData: authData.toString('base64url'),
      signature: signature.toString('base64url'),
      ...(userHandle === null ? {} : { userHandle }),
    });
  }

  /** Another key under the same id: what a thief has who knows the id and not the key. */
  forge(): SoftAuthenticator {
    const other = new SoftAuthenticator(this.origin);
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const key = createPrivateKey(privateKey.export({ format: 'pem', type: 'pkcs8' }));
    other.#stored.push({ ...this.#stored.at(-1)!, key });
    return other;
  }

  #answer(stored: Stored, response: Record<string, unknown>): Record<string, unknown> {
    const id = stored.id.toString('base64url');
    return {
      id,
      rawId: id,
      type: 'public-key',
      response,
      clientExtensionResults: {},
      authenticatorAttachment: 'platform',
    };
  }

  #clientData(type: string, challenge: string, faults: Faults): string {
    const data = {
      type: faults.type ?? type,
      challenge: faults.challenge ?? challenge,
      origin: faults.origin ?? this.origin,
      crossOrigin: false,
    };
    return Buffer.from(JSON.stringify(data)).toString('base64url');
  }

  /** Flags: 0x01 somebody was there, 0x04 it was checked who, 0x40 a new credential follows. */
  #authData(rpId: string, flags: number, counter: number, faults: Faults): Buffer {
    const hash = createHash('sha256')
      .update(faults.rpId ?? rpId)
      .digest();
    const count = Buffer.alloc(4);
    count.writeUInt32BE(counter);
    return Buffer.concat([hash, Buffer.of(flags | (faults.userVerified === false ? 0 : 0x04)), count]);
  }
}
