import { Injectable } from '@nestjs/common';
import { Database, type Prisma, type Tx } from '#libs/database';
import { Ids } from '#libs/kernel';
import { AuditLog } from '../../audit/audit-log.js';
import { assertIfMatch, etagOf } from '../../http/etag.js';
import { InvalidRequest } from '../../http/http.errors.js';
import type { ChangeProviderDto, NewProviderDto } from './dto/provider.dto.js';
import { ProviderKeyTaken, ProviderNotFound } from './oidc.errors.js';
import { ProviderClients } from './provider-clients.js';
import { parseIssuer, PRESETS } from './provider-presets.js';
import { type ProviderRow, ProvidersRepository } from './providers.repository.js';

export interface ProviderView {
  readonly id: string;
  readonly key: string;
  readonly name: string;
  readonly kind: string;
  readonly issuer: string;
  readonly clientId: string;
  readonly allowedDomains: readonly string[];
  readonly enabled: boolean;
  /** To be registered at the provider. */
  readonly callbackUrl: string;
  readonly createdAt: string;
  readonly updatedAt: string;
}

export const providerEtag = (row: { readonly id: string; readonly updatedAt: Date | string }): string =>
  etagOf(row.id, new Date(row.updatedAt));

/** Identity providers as operators see them; a client secret goes in and never comes out. */
@Injectable()
export class ProvidersService {
  constructor(
    private readonly database: Database,
    private readonly providers: ProvidersRepository,
    private readonly clients: ProviderClients,
    private readonly audit: AuditLog,
    private readonly ids: Ids,
  ) {}

  async list(): Promise<ProviderView[]> {
    return (await this.providers.list()).map((row) => this.#view(row));
  }

  async get(id: string): Promise<ProviderView> {
    const row = await this.providers.find(id);
    if (!row) throw new ProviderNotFound();
    return this.#view(row);
  }

  /** Throws ProviderKeyTaken or IssuerUnusable. */
  async create(actor: string, body: NewProviderDto): Promise<ProviderView> {
    const id = this.ids.next('identityProvider');
    const { clientId, clientSecret, enabled = true } = body;
    const fixed = fixedOf(body);
    if (enabled) await this.clients.check(fixed.kind, { id, ...fixed, clientId, clientSecret });
    const { sealed } = await this.clients.seal(id, clientSecret);
    const allowedDomains = domainsOf(body.allowedDomains ?? []);
    const data = { id, ...fixed, clientId, clientSecretSealed: sealed, allowedDomains, enabled };
    const row = await this.database.system(async (tx) => {
      const { count } = await tx.identityProvider.createMany({ data: [data], skipDuplicates: true });
      if (count === 0) throw new ProviderKeyTaken();
      await this.#record(tx, actor, 'create', id, { ...fixed, clientId, allowedDomains, enabled });
      return tx.identityProvider.findUniqueOrThrow({ where: { id } });
    });
    return this.#view(row);
  }

  /** Throws ProviderNotFound, PreconditionFailed or IssuerUnusable. */
  async update(actor: string, id: string, body: ChangeProviderDto, ifMatch?: string): Promise<ProviderView> {
    const before = await this.providers.find(id);
    if (!before) throw new ProviderNotFound();
    const change = await this.#changeOf(id, body);
    await this.#checkChange({ ...before, ...change }, before);
    const row = await this.database.system(async (tx) => {
      const current = await this.providers.lock(tx, id);
      if (!current) throw new ProviderNotFound();
      assertIfMatch(ifMatch, providerEtag(current));
      const changed = await tx.identityProvider.update({ where: { id }, data: change });
      // A subject means somebody at one issuer only: at another it could be anybody.
      if (changed.issuer !== current.issuer) await tx.userIdentity.deleteMany({ where: { providerId: id } });
      await this.#record(tx, actor, 'update', id, differences(current, changed, body.clientSecret !== undefined));
      return changed;
    });
    return this.#view(row);
  }

  /** Accounts linked through it are gone with it. Throws ProviderNotFound. */
  async delete(actor: string, id: string): Promise<void> {
    await this.database.system(async (tx) => {
      const row = await this.providers.lock(tx, id);
      if (!row) throw new ProviderNotFound();
      const identities = await tx.userIdentity.count({ where: { providerId: id } });
      await tx.identityProvider.delete({ where: { id }, select: { id: true } });
      await this.#record(tx, actor, 'delete', id, { key: row.key, identities });
    });
  }

  /** An issuer that does not answer must be noticed now, not by the next person who signs in. */
  async #checkChange(after: ProviderRow, before: ProviderRow): Promise<void> {
    const touched = after.issuer !== before.issuer || (after.enabled && !before.enabled);
    if (!touched || !after.enabled) return;
    await this.clients.check(after.kind, await this.clients.clientOf(after));
  }

  async #changeOf(id: string, body: ChangeProviderDto): Promise<Partial<ProviderRow>> {
    const { name, clientId, enabled, clientSecret, issuer, allowedDomains } = body;
    return {
      ...(name !== undefined && { name }),
      ...(clientId !== undefined && { clientId }),
      ...(enabled !== undefined && { enabled }),
      ...(issuer !== undefined && { issuer: issuerOf(issuer) }),
      ...(allowedDomains !== undefined && { allowedDomains: domainsOf(allowedDomains) }),
      ...(clientSecret !== undefined && { clientSecretSealed: (await this.clients.seal(id, clientSecret)).sealed }),
    };
  }

  #view(row: ProviderRow): ProviderView {
    const { id, key, name, kind, issuer, clientId, allowedDomains, enabled } = row;
    const times = { createdAt: row.createdAt.toISOString(), updatedAt: row.updatedAt.toISOString() };
    const callbackUrl = this.clients.callbackOf(key);
    return { id, key, name, kind, issuer, clientId, allowedDomains, enabled, callbackUrl, ...times };
  }

  async #record(tx: Tx, actor: string, verb: string, resourceId: string, data: Prisma.InputJsonObject): Promise<void> {
    const line = { tenantId: null, actor, resource: 'identity-provider', resourceId, data };
    await this.audit.record(tx, { ...line, action: `identity-provider.${verb}` });
  }
}

/** Key, name, kind and issuer: the preset's where the body does not say otherwise. */
function fixedOf({ preset, key, name, issuer }: NewProviderDto) {
  const base = preset ? PRESETS[preset] : undefined;
  return {
    key: key ?? preset ?? '',
    name: name ?? base?.name ?? '',
    kind: base?.kind ?? 'oidc',
    issuer: issuerOf(issuer ?? base?.issuer ?? ''),
  };
}

function issuerOf(text: string): string {
  const issuer = parseIssuer(text);
  if (issuer !== undefined) return issuer;
  const message = 'issuer must be an https URL without user, query or fragment (http on this machine only)';
  throw new InvalidRequest([{ field: 'issuer', message }]);
}

const domainsOf = (domains: readonly string[]): string[] => [...new Set(domains.map((domain) => domain.toLowerCase()))];

function differences(before: ProviderRow, after: ProviderRow, newSecret: boolean): Prisma.InputJsonObject {
  const fields = ['name', 'issuer', 'clientId', 'allowedDomains', 'enabled'] as const;
  const changed = fields.filter((field) => JSON.stringify(before[field]) !== JSON.stringify(after[field]));
  const values = changed.map((field) => [field, { from: before[field], to: after[field] }]);
  return { ...Object.fromEntries(values), ...(newSecret ? { clientSecret: 'replaced' } : {}) };
}
