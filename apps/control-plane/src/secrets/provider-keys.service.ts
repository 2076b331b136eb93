import { Injectable } from '@nestjs/common';
import { recipientOf } from '#libs/broker-keys';
import { Database, type Tx } from '#libs/database';
import { ChangeNotifier } from '#libs/queue';
import { AuditLog } from '../audit/audit-log.js';
import { Outbox } from '../outbox/outbox.js';
import { ROUTES_CHANNEL } from '../routing/route-publisher.js';
import { BrokerSealer } from './broker-sealer.js';
import { secretContext } from './secret-rules.js';
import { ProviderKeyChanged, SecretNotFound } from './secrets.errors.js';
import { Vault } from './vault.js';

const EVENT = 'provider-key.refused';

interface Row {
  readonly id: string;
  readonly tenantId: string;
  readonly memberId: string | null;
  readonly purpose: string;
  readonly name: string;
  readonly version: number;
}

/** What the model broker has to say about own provider keys. */
@Injectable()
export class ProviderKeysService {
  constructor(
    private readonly database: Database,
    private readonly vault: Vault,
    private readonly sealer: BrokerSealer,
    private readonly audit: AuditLog,
    private readonly outbox: Outbox,
    private readonly notifier: ChangeNotifier,
  ) {}

  /** The tenant hears of it once an hour for each version, however many proxies tell it. One that was replaced is no news. */
  async refused(id: string, version: number): Promise<void> {
    const news = await this.database.system(async (tx) => {
      const row = await this.#lock(tx, id);
      if (row?.version !== version) return false;
      const [before] = await tx.$queryRaw<object[]>`
        SELECT 1 FROM outbox WHERE tenant_id = ${row.tenantId} AND aggregate_id = ${id} AND type = ${EVENT}
          AND (data ->> 'version')::int = ${version} AND at > now() - interval '1 hour' LIMIT 1`;
      if (before) return false;
      const { tenantId, name: provider, memberId } = row;
      const data = { provider, version, ...(memberId ? { memberId } : {}) };
      await this.outbox.append(tx, { tenantId, topic: 'secrets', aggregateId: id, type: EVENT, data });
      return true;
    });
    if (news) await this.outbox.announce();
  }

  /** The same key, sealed to the broker's current key instead of an older one. */
  async reseal(id: string, version: number, jwe: string): Promise<{ version: number }> {
    if (recipientOf(jwe) !== (await this.sealer.currentKid())) throw new ProviderKeyChanged();
    const row = await this.database.system((tx) => this.#lock(tx, id));
    if (!row) throw new SecretNotFound();
    const sealed = await this.vault.seal(row.tenantId, jwe, secretContext(row));
    await this.database.system(async (tx) => {
      const where = {
        id,
        version,
        purpose: 'provider',
        tenantId: row.tenantId,
        memberId: row.memberId,
        name: row.name,
      };
      const changed = await tx.secret.updateMany({ where, data: { ...sealed, version: { increment: 1 } } });
      if (changed.count === 0) throw new ProviderKeyChanged();
      const { tenantId, memberId, purpose, name } = row;
      const data = { purpose, name, memberId, version: version + 1 };
      const line = {
        tenantId,
        actor: 'system:proxy',
        action: 'secret.reseal',
        resource: 'secret',
        resourceId: id,
        data,
      };
      await this.audit.record(tx, line);
    });
    await this.notifier.publish(ROUTES_CHANNEL);
    return { version: version + 1 };
  }

  async #lock(tx: Tx, id: string): Promise<Row | undefined> {
    const [row] = await tx.$queryRaw<Row[]>`
      SELECT id, tenant_id AS "tenantId", member_id AS "memberId", purpose, name, version FROM secrets
      WHERE id = ${id} AND purpose = 'provider' AND tenant_id IS NOT NULL FOR UPDATE`;
    return row;
  }
}
