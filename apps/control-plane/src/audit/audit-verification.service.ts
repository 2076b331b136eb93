import { Injectable } from '@nestjs/common';
import { Database } from '#libs/database';
import { TenantNotFound } from '../tenants/tenants.errors.js';
import { PLATFORM_CHAIN } from './audit-chain.js';
import { type Anchor, AuditVerifier, type ChainReport } from './audit-verifier.js';
import { AuditVerificationBusy, AuditVerificationTooLong } from './audit.errors.js';

/** A chain that takes longer is verified by the command, which nobody waits for. */
const LIMIT_SECONDS = 30;

/** `seq:hash` as a report gives it. */
export function parseAnchor(text: string): Anchor {
  const [seq, hash] = text.split(':');
  return { seq: BigInt(seq!), hash: hash! };
}

/** Verification on request: one at a time in a process, and not for long, because it reads a whole chain. */
@Injectable()
export class AuditVerificationService {
  #busy = false;

  constructor(
    private readonly database: Database,
    private readonly verifier: AuditVerifier,
  ) {}

  /** Throws TenantNotFound unless `tenantId` is a tenant's or `platform`. */
  async verifyAny(tenantId: string, anchor: string | undefined): Promise<ChainReport> {
    if (tenantId !== PLATFORM_CHAIN) {
      const known = await this.database.system((tx) => tx.tenant.count({ where: { id: tenantId } }));
      if (known === 0) throw new TenantNotFound();
    }
    return this.verify(tenantId, anchor);
  }

  async verify(tenantId: string, anchor: string | undefined): Promise<ChainReport> {
    if (this.#busy) throw new AuditVerificationBusy();
    this.#busy = true;
    const signal = AbortSignal.timeout(LIMIT_SECONDS * 1_000);
    try {
      return await this.verifier.verify(tenantId, { anchors: anchor ? [parseAnchor(anchor)] : [], signal });
    } catch (error) {
      if (error === signal.reason) throw new AuditVerificationTooLong(LIMIT_SECONDS);
      throw error;
    } finally {
      this.#busy = false;
    }
  }
}
