import { Injectable } from '@nestjs/common';
import { Database, type Tx } from '#libs/database';
import { ChangeNotifier } from '#libs/queue';
import { AuditLog } from '../audit/audit-log.js';
import { assertIfMatch, etagOf } from '../http/etag.js';
import { MemberNotFound } from '../members/members.errors.js';
import { ROUTES_CHANNEL } from '../routing/route-publisher.js';
import { BrokerSealer } from './broker-sealer.js';
import { checkName, checkValue, hintOf, SECRET_LIMITS, secretContext } from './secret-rules.js';
import { SecretLimitReached, SecretNotFound } from './secrets.errors.js';
import { type SecretFilter, type SecretPlace, type SecretRow, SecretsRepository } from './secrets.repository.js';
import { Vault } from './vault.js';

/** All that is ever shown of a secret. */
export interface SecretView {
  readonly purpose: string;
  readonly name: string;
  /** External id; null: the tenant's own. */
  readonly member: string | null;
  /** The last four characters of a long value. */
  readonly hint: string | null;
  readonly version: number;
  readonly createdBy: string;
  readonly createdAt: string;
  readonly updatedAt: string;
}

export interface SecretCaller {
  readonly tenantId: string;
  readonly actor: string;
}

/** Where a secret is, in the words of the API. */
export interface SecretAddress {
  readonly purpose: string;
  readonly name: string;
  readonly member?: string | undefined;
}

export const secretEtag = (view: SecretView): string =>
  etagOf(view.purpose, view.name, view.member ?? '', view.version, view.updatedAt);

/** Write-only values of a tenant and its members. What was written is delivered to where it is used, and shown to nobody. */
@Injectable()
export class SecretsService {
  constructor(
    private readonly database: Database,
    private readonly secrets: SecretsRepository,
    private readonly vault: Vault,
    private readonly sealer: BrokerSealer,
    private readonly audit: AuditLog,
    private readonly notifier: ChangeNotifier,
  ) {}

  async list(
    tenantId: string,
    filter: SecretFilter & { readonly member?: string | undefined },
  ): Promise<{ id: string; view: SecretView }[]> {
    return this.database.tenant(tenantId, async (tx) => {
      const memberId = filter.member === undefined ? undefined : await this.#memberId(tx, tenantId, filter.member);
      const rows = await this.secrets.list(tx, tenantId, { ...filter, memberId: memberId ?? undefined });
      const members = await this.secrets.externalIds(tx, tenantId, rows);
      return rows.map((row) => ({ id: row.id, view: toView(row, members.get(row.memberId ?? '') ?? null) }));
    });
  }

  async get(tenantId: string, address: SecretAddress): Promise<SecretView> {
    const purpose = checkName(address.purpose, address.name);
    return this.database.tenant(tenantId, async (tx) => {
      const memberId = await this.#memberId(tx, tenantId, address.member);
      const row = await this.secrets.find(tx, tenantId, { purpose, name: address.name, memberId });
      if (!row) throw new SecretNotFound();
      return toView(row, address.member ?? null);
    });
  }

  /** Sealed before the transaction begins: nothing slow happens under its locks, and nothing plain is ever written. */
  async put(
    caller: SecretCaller,
    address: SecretAddress,
    value: string,
    ifMatch?: string,
  ): Promise<{ secret: SecretView; created: boolean }> {
    const { tenantId } = caller;
    const purpose = checkName(address.purpose, address.name);
    checkValue(purpose, value);
    const memberId = await this.database.tenant(tenantId, (tx) => this.#memberId(tx, tenantId, address.member));
    const place: SecretPlace = { purpose, name: address.name, memberId };
    const sealed = await this.#seal(tenantId, place, value);
    const written = await this.database.tenant(tenantId, async (tx) => {
      await this.secrets.lock(tx, tenantId, memberId);
      const before = await this.secrets.find(tx, tenantId, place);
      assertIfMatch(ifMatch, before ? secretEtag(toView(before, address.member ?? null)) : '');
      if (!before && (await this.secrets.count(tx, tenantId, memberId)) >= SECRET_LIMITS.perOwner)
        throw new SecretLimitReached(SECRET_LIMITS.perOwner);
      const fields = { ...sealed, hint: hintOf(value) };
      const row = before
        ? await this.secrets.replace(tx, tenantId, before.id, fields)
        : await this.secrets.create(tx, tenantId, place, { ...fields, createdBy: caller.actor });
      await this.#conclude(tx, caller, row, before ? 'secret.replace' : 'secret.create');
      return { secret: toView(row, address.member ?? null), created: !before };
    });
    await this.#announce(place);
    return written;
  }

  async delete(caller: SecretCaller, address: SecretAddress, ifMatch?: string): Promise<void> {
    const { tenantId } = caller;
    const purpose = checkName(address.purpose, address.name);
    const place = await this.database.tenant(tenantId, async (tx) => {
      const memberId = await this.#memberId(tx, tenantId, address.member);
      await this.secrets.lock(tx, tenantId, memberId);
      const found = { purpose, name: address.name, memberId };
      const row = await this.secrets.find(tx, tenantId, found);
      if (!row) throw new SecretNotFound();
      assertIfMatch(ifMatch, secretEtag(toView(row, address.member ?? null)));
      await this.secrets.delete(tx, tenantId, row.id);
      await this.#conclude(tx, caller, row, 'secret.delete');
      return found;
    });
    await this.#announce(place);
  }

  async #seal(tenantId: string, place: SecretPlace, value: string) {
    const owner = { tenantId, memberId: place.memberId, provider: place.name };
    const stored = place.purpose === 'provider' ? await this.sealer.seal(owner, value) : value;
    return this.vault.seal(tenantId, stored, secretContext({ tenantId, ...place }));
  }

  async #conclude(tx: Tx, caller: SecretCaller, row: SecretRow, action: string): Promise<void> {
    const { tenantId, actor } = caller;
    const { id, purpose, name, memberId, version } = row;
    if (purpose === 'gateway') await this.secrets.redeliver(tx, tenantId, memberId);
    const data = { purpose, name, memberId, version };
    await this.audit.record(tx, { tenantId, actor, action, resource: 'secret', resourceId: id, data });
  }

  /** Proxies hear of provider keys within milliseconds; gateways are due in the database already. */
  async #announce({ purpose }: SecretPlace): Promise<void> {
    if (purpose === 'provider') await this.notifier.publish(ROUTES_CHANNEL);
  }

  async #memberId(tx: Tx, tenantId: string, externalId: string | undefined): Promise<string | null> {
    if (externalId === undefined) return null;
    const id = await this.secrets.memberId(tx, tenantId, externalId);
    if (!id) throw new MemberNotFound();
    return id;
  }
}

function toView(row: SecretRow, member: string | null): SecretView {
  const { purpose, name, hint, version, createdBy } = row;
  const times = { createdAt: row.createdAt.toISOString(), updatedAt: row.updatedAt.toISOString() };
  return { purpose, name, member, hint, version, createdBy, ...times };
}
