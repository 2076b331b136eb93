import { randomBytes } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { Database, type Tx } from '#libs/database';
import { Clock, Ids } from '#libs/kernel';
import { Envelope } from './envelope.js';
import { MasterKeys } from './master-keys/master-keys.js';
import { PlatformRootMissing } from './secrets.errors.js';

const WHERE = { tenantId: null, memberId: null, purpose: 'platform', name: 'root' } as const;
export const ROOT_CONTEXT = 'secret/platform/root';

/**
 * What every credential of the installation itself derives from: a stored secret like others, so that the master key can
 * be rotated without changing it. An installation from before there was one keeps what it derived from: its master key.
 */
@Injectable()
export class PlatformRoot {
  constructor(
    private readonly database: Database,
    private readonly envelope: Envelope,
    private readonly masterKeys: MasterKeys,
    private readonly ids: Ids,
    private readonly clock: Clock,
  ) {}

  /** 32 bytes; the same in every process, also when several start at once. */
  async load(): Promise<Buffer> {
    const { sealed } = (await this.#find()) ?? (await this.#create());
    return this.envelope.open(sealed, ROOT_CONTEXT);
  }

  #find(tx?: Tx): Promise<{ sealed: Uint8Array } | null> {
    return (tx ?? this.database.raw).secret.findFirst({ where: WHERE, select: { sealed: true } });
  }

  async #create(): Promise<{ sealed: Uint8Array }> {
    const bytes = (await this.#isInUse()) ? await this.masterKeys.localBytes() : randomBytes(32);
    if (!bytes) throw new PlatformRootMissing();
    const fresh = await this.envelope.seal(null, bytes, ROOT_CONTEXT);
    return this.database.system(async (tx) => {
      await tx.$executeRaw`SELECT pg_advisory_xact_lock(hashtext('wirebot/platform-root'))`;
      const other = await this.#find(tx);
      if (other) return other;
      const at = { createdBy: 'system:secrets', createdAt: this.clock.now() };
      await tx.secret.create({
        data: { id: this.ids.next('secret'), ...WHERE, ...fresh, ...at },
        select: { id: true },
      });
      return fresh;
    });
  }

  /** Something was derived already. A fresh database has none of these. */
  async #isInUse(): Promise<boolean> {
    const [row] = await this.database.raw.$queryRaw<{ used: boolean }[]>`
      SELECT EXISTS (SELECT FROM signing_keys) OR EXISTS (SELECT FROM agents) OR EXISTS (SELECT FROM gateways)
          OR EXISTS (SELECT FROM audit_heads) AS used`;
    return row?.used === true;
  }
}
