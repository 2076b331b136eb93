import { randomBytes } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { Clock } from '#libs/kernel';
import { Vault } from '../secrets/vault.js';
import type { EndpointRow } from './webhooks.repository.js';

const SECRET_BYTES = 32;

/** Signing secrets: `whsec_` and base64, as every Standard Webhooks library takes them. Sealed at rest. */
@Injectable()
export class WebhookSecrets {
  constructor(
    private readonly vault: Vault,
    private readonly clock: Clock,
  ) {}

  async create(
    tenantId: string,
    id: string,
  ): Promise<{ readonly secret: string; readonly sealed: Uint8Array<ArrayBuffer> }> {
    const secret = `whsec_${randomBytes(SECRET_BYTES).toString('base64')}`;
    const { sealed } = await this.vault.seal(tenantId, secret, `webhook/${id}`);
    return { secret, sealed };
  }

  /** The secrets that sign now, newest first. */
  async of(row: EndpointRow): Promise<string[]> {
    const previous = row.previousUntil && row.previousUntil > this.clock.now() ? row.previousSealed : null;
    const sealed = previous ? [row.secretSealed, previous] : [row.secretSealed];
    return Promise.all(sealed.map(async (bytes) => (await this.vault.open(bytes, `webhook/${row.id}`)).toString()));
  }
}
