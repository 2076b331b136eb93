import { Injectable } from '@nestjs/common';
import { Database, type Tx } from '#libs/database';
import { Clock, Ids } from '#libs/kernel';
import { AuditLog } from '../audit/audit-log.js';
import { canonicalBlock } from '../identity/address-list.js';
import { mintKey } from '../identity/api-key.js';
import { ApiKeyInvalid, TenantRequired } from '../identity/identity.errors.js';
import { actorOf, type Principal } from '../identity/principal.js';
import { unknownScopes } from '../identity/scopes.js';
import { assertReach, assertWithin, boundsWithin, type KeyBounds } from './key-bounds.js';
import {
  AddressBlockInvalid,
  ApiKeyNotFound,
  KeyExpiryInvalid,
  KeyNotActive,
  ScopeUnknown,
  TooManyKeys,
} from './keys.errors.js';
import { isActive, type KeyOwner, type KeyRow, KeysRepository, type KeyView, toKeyView } from './keys.repository.js';

/** Keys that work at the same time, per tenant (and of operators together). */
export const MAX_ACTIVE_KEYS = 200;

export interface WantedKey {
  readonly name: string;
  readonly scopes: readonly string[];
  readonly readOnly?: boolean | undefined;
  readonly allowedIps?: readonly string[] | undefined;
  readonly expiresAt?: Date | null | undefined;
  /** Operators' keys only: the tenant that tenant routes act on. */
  readonly defaultTenantId?: string | undefined;
}

/** `key` is told this once and never again. */
export interface IssuedKey extends KeyView {
  readonly key: string;
}

/** Makes, rotates and revokes keys. Nobody can make or rotate a key that may do more than they may themselves. */
@Injectable()
export class KeysService {
  constructor(
    private readonly database: Database,
    private readonly keys: KeysRepository,
    private readonly audit: AuditLog,
    private readonly ids: Ids,
    private readonly clock: Clock,
  ) {}

  async list(owner: KeyOwner, after: string | undefined, limit: number): Promise<KeyView[]> {
    const now = this.clock.now();
    const rows = await this.#as(owner, (tx) => this.keys.list(tx, owner, after, limit));
    return rows.map((row) => toKeyView(row, now));
  }

  async get(owner: KeyOwner, id: string): Promise<KeyView> {
    const row = await this.#as(owner, (tx) => this.keys.find(tx, owner, id));
    if (!row) throw new ApiKeyNotFound();
    return toKeyView(row, this.clock.now());
  }

  /** `tenantId` null: an operator's key. */
  async create(principal: Principal, tenantId: string | null, wanted: WantedKey): Promise<IssuedKey> {
    const unknown = unknownScopes(wanted.scopes, tenantId === null ? 'operator' : 'tenant');
    if (unknown.length > 0) throw new ScopeUnknown(unknown);
    const allowedIps = wanted.allowedIps && canonicalBlocks(wanted.allowedIps);
    if (wanted.expiresAt && wanted.expiresAt <= this.clock.now()) throw new KeyExpiryInvalid();
    return this.#by(principal, tenantId, async (tx) => {
      const maker = await this.#makerOf(tx, principal);
      const bounds = boundsWithin(maker, { ...wanted, allowedIps });
      const boundTo = wanted.defaultTenantId ?? maker.defaultTenantId ?? undefined;
      const defaultTenantId = tenantId === null ? await this.#existing(tx, boundTo) : null;
      assertReach(maker.defaultTenantId, { tenantId, defaultTenantId });
      await this.#assertRoom(tx, tenantId);
      const issued = await this.#insert(tx, principal, { tenantId, name: wanted.name, defaultTenantId }, bounds);
      const { scopes, readOnly, expiresAt } = issued;
      const data = { scopes: [...scopes], readOnly, allowedIps: [...issued.allowedIps], expiresAt };
      await this.#record(tx, principal, issued, 'key.create', data);
      return issued;
    });
  }

  /** A successor with the same settings. The old key works for `overlapSeconds` more, but never longer than it would have. */
  async rotate(principal: Principal, owner: KeyOwner, id: string, overlapSeconds: number): Promise<IssuedKey> {
    return this.#by(principal, owner, async (tx) => {
      const before = await this.keys.lock(tx, owner, id);
      if (!before) throw new ApiKeyNotFound();
      const now = this.clock.now();
      if (!isActive(before, now) || before.replacedById !== null) throw new KeyNotActive();
      const maker = await this.#makerOf(tx, principal);
      assertWithin(maker, before);
      assertReach(maker.defaultTenantId, before);
      const after = await this.#insert(tx, principal, before, before);
      const overlapEnds = new Date(now.getTime() + overlapSeconds * 1_000);
      const expiresAt = before.expiresAt && before.expiresAt < overlapEnds ? before.expiresAt : overlapEnds;
      await tx.apiKey.update({ where: { id }, data: { expiresAt, replacedById: after.id }, select: { id: true } });
      const data = { successor: after.id, worksUntil: expiresAt.toISOString() };
      await this.#record(tx, principal, before, 'key.rotate', data);
      return after;
    });
  }

  /** Takes effect with the next request; a key that is revoked already stays as it is. */
  async revoke(principal: Principal, owner: KeyOwner, id: string): Promise<void> {
    await this.#by(principal, owner, async (tx) => {
      const row = await this.keys.lock(tx, owner, id);
      if (!row) throw new ApiKeyNotFound();
      if (row.revokedAt !== null) return;
      await tx.apiKey.update({ where: { id }, data: { revokedAt: this.clock.now() }, select: { id: true } });
      await this.#record(tx, principal, row, 'key.revoke', {});
    });
  }

  async #insert(
    tx: Tx,
    principal: Principal,
    of: Pick<KeyRow, 'tenantId' | 'name' | 'defaultTenantId'>,
    { scopes, readOnly, allowedIps, expiresAt }: KeyBounds,
  ): Promise<IssuedKey> {
    const { tenantId, name, defaultTenantId } = of;
    const { key, prefix, secretHash } = mintKey(tenantId === null ? 'operator' : 'tenant');
    const now = this.clock.now();
    const row = await tx.apiKey.create({
      data: {
        id: this.ids.next('apiKey'),
        tenantId,
        defaultTenantId,
        name,
        prefix,
        secretHash,
        scopes: [...scopes],
        readOnly,
        allowedIps: [...allowedIps],
        expiresAt,
        createdBy: actorOf(principal),
        createdAt: now,
      },
    });
    return { ...toKeyView(row, now), key };
  }

  /** What the maker may: a key's own bounds are on its row, a person has those of the role. */
  async #makerOf(tx: Tx, principal: Principal): Promise<KeyBounds & Pick<KeyRow, 'defaultTenantId'>> {
    const scopes = 'scopes' in principal ? principal.scopes : [];
    const keyId = 'keyId' in principal ? principal.keyId : undefined;
    if (keyId === undefined) return { scopes, readOnly: false, allowedIps: [], expiresAt: null, defaultTenantId: null };
    const row = await this.keys.find(tx, 'anybody', keyId);
    if (!row) throw new ApiKeyInvalid();
    return row;
  }

  async #assertRoom(tx: Tx, tenantId: string | null): Promise<void> {
    await tx.$executeRaw`SELECT pg_advisory_xact_lock(hashtextextended(${`keys:${tenantId ?? ''}`}, 0))`;
    if ((await this.keys.countActive(tx, tenantId, this.clock.now())) >= MAX_ACTIVE_KEYS)
      throw new TooManyKeys(MAX_ACTIVE_KEYS);
  }

  async #existing(tx: Tx, tenantId: string | undefined): Promise<string | null> {
    if (tenantId === undefined) return null;
    if ((await tx.tenant.count({ where: { id: tenantId } })) === 0) throw new TenantRequired();
    return tenantId;
  }

  async #record(
    tx: Tx,
    principal: Principal,
    key: Pick<KeyRow, 'id' | 'tenantId'>,
    action: string,
    data: Record<string, string | boolean | null | string[]>,
  ): Promise<void> {
    const line = { action, resource: 'api-key', resourceId: key.id, data };
    await this.audit.record(tx, { ...line, tenantId: key.tenantId, actor: actorOf(principal) });
  }

  /** An operator's own key is no tenant's row: who acts for every tenant is served as the system. */
  #by<T>(principal: Principal, owner: KeyOwner, work: (tx: Tx) => Promise<T>): Promise<T> {
    return principal.kind === 'operator' ? this.database.system(work) : this.#as(owner, work);
  }

  #as<T>(owner: KeyOwner, work: (tx: Tx) => Promise<T>): Promise<T> {
    const alone = owner !== null && owner !== 'anybody';
    return alone ? this.database.tenant(owner, work) : this.database.system(work);
  }
}

function canonicalBlocks(texts: readonly string[]): string[] {
  const blocks = texts.map((text) => canonicalBlock(text.trim()));
  if (blocks.includes(undefined)) throw new AddressBlockInvalid();
  return [...new Set(blocks as string[])];
}
