import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Injectable } from '@nestjs/common';
import { type KeyOwner, parsePublicKey, sealProviderKey } from '#libs/broker-keys';
import { ControlPlaneConfig } from '#libs/config';
import { OwnKeysUnavailable } from './secrets.errors.js';

/**
 * Seals provider keys to the model broker the moment they arrive: from then on this process, its database and its backups
 * hold what only the broker can open.
 */
@Injectable()
export class BrokerSealer {
  constructor(private readonly config: ControlPlaneConfig) {}

  /** A compact JWE. */
  async seal(owner: KeyOwner, value: string): Promise<string> {
    return sealProviderKey(await this.#recipient(), owner, value);
  }

  /** Which of the broker's keys is sealed to. */
  async currentKid(): Promise<string> {
    return (await this.#recipient()).kid;
  }

  /** Read every time: a new key counts at once. */
  async #recipient(): ReturnType<typeof parsePublicKey> {
    const text = this.config.brokerPublicKey ?? (await this.#file());
    try {
      return await parsePublicKey(text);
    } catch (cause) {
      throw new OwnKeysUnavailable((cause as Error).message, { cause });
    }
  }

  async #file(): Promise<string> {
    try {
      return await readFile(join(this.config.secretsDir, 'broker-public.json'), 'utf8');
    } catch (cause) {
      throw new OwnKeysUnavailable("this installation has no model broker's public key.", { cause });
    }
  }
}
