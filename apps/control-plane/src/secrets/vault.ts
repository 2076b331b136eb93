import { Injectable } from '@nestjs/common';
import { Envelope, type Sealed } from './envelope.js';
import { SecretBox } from './secret-box.js';

export type { Sealed } from './envelope.js';

/**
 * Envelope encryption at rest: AES-256-GCM under a data key of the tenant (`null`: of the platform), which is itself
 * wrapped by the master key. `context` says what is sealed (`secret/<id>`) and must be the same when it is opened, so that
 * a sealed value cannot be moved to another row.
 */
@Injectable()
export class Vault {
  constructor(
    private readonly envelope: Envelope,
    private readonly box: SecretBox,
  ) {}

  async seal(tenantId: string | null, plain: string | Uint8Array, context: string): Promise<Sealed> {
    return this.envelope.seal(tenantId, plain, context);
  }

  /** Throws SealedUnreadable when it was changed, sealed for another context, or its keys are gone. */
  async open(sealed: Uint8Array, context: string): Promise<Buffer> {
    if (sealed[0] === SecretBox.VERSION) return this.box.open(sealed, context);
    return this.envelope.open(sealed, context);
  }

  /** The same value under the tenant's current data key. `context` only matters to values from before there were data keys. */
  async reseal(tenantId: string | null, sealed: Uint8Array, context: string): Promise<Sealed> {
    if (sealed[0] !== SecretBox.VERSION) return this.envelope.reseal(tenantId, sealed);
    return this.envelope.seal(tenantId, this.box.open(sealed, context), context);
  }
}
