import { Injectable } from '@nestjs/common';
import { Database, type Tx } from '#libs/database';
import { Clock } from '#libs/kernel';
import { SHORTEST_SITE_SECRET_BYTES } from '#libs/tokens';
import { AuditLog } from '../audit/audit-log.js';
import { assertIfMatch, etagOf } from '../http/etag.js';
import { randomSecret } from '../identity/secrets.js';
import { Vault } from '../secrets/vault.js';
import { type RevocationCaller, RevocationsService } from '../tokens/revocations.service.js';
import type { PutSharedSecretIssuerDto } from './dto/put-shared-secret-issuer.dto.js';
import { type IssuerRecord, SharedSecretIssuersRepository } from './shared-secret-issuers.repository.js';
import { SecretGuessable, SharedSecretIssuerNotFound } from './site-tokens.errors.js';

const KEEP_PREVIOUS_SECONDS = 86_400;
/** Fewer different characters than this, and 32 of them say little. */
const FEWEST_DIFFERENT = 10;

/** For one tenant's issuer; the value is bound to it. */
export const sealContext = (tenantId: string): string => `shared-secret-issuer/${tenantId}`;

export interface IssuerView {
  readonly enabled: boolean;
  readonly issuer: string | null;
  readonly audience: string | null;
  readonly trustModeMax: number;
  /** The secret before is accepted until then; null: there is none. */
  readonly previousUntil: string | null;
  readonly updatedAt: string;
  /** Only in the answer to the call that made it. */
  readonly secret?: string;
}

interface NewSecret {
  readonly sealed: Uint8Array<ArrayBuffer>;
  /** Undefined: the caller knows it already. */
  readonly shown: string | undefined;
}

/** The secret that a tenant's membership site signs its own tokens with. It is never shown again. */
@Injectable()
export class SharedSecretIssuersService {
  constructor(
    private readonly database: Database,
    private readonly issuers: SharedSecretIssuersRepository,
    private readonly vault: Vault,
    private readonly revocations: RevocationsService,
    private readonly audit: AuditLog,
    private readonly clock: Clock,
  ) {}

  /** Throws SharedSecretIssuerNotFound. */
  async get(tenantId: string): Promise<IssuerView> {
    const row = await this.database.tenant(tenantId, (tx) => this.issuers.find(tx, tenantId));
    if (!row) throw new SharedSecretIssuerNotFound();
    return this.#view(row);
  }

  /** Throws SecretGuessable or PreconditionFailed. */
  async put(caller: RevocationCaller, wanted: PutSharedSecretIssuerDto, ifMatch?: string): Promise<IssuerView> {
    const { tenantId } = caller;
    const fresh = await this.#newSecret(tenantId, wanted);
    const view = await this.database.tenant(tenantId, async (tx) => {
      const before = await this.issuers.lock(tx, tenantId);
      assertIfMatch(ifMatch, before ? tagOf(before) : '');
      const next = before && !wanted.secret && !wanted.rotateSecret ? undefined : fresh;
      const row = await this.issuers.put(tx, tenantId, this.#change(wanted, before, next));
      await this.#record(tx, caller, wanted, before, next);
      return this.#view(row, next?.shown);
    });
    await this.revocations.announce();
    return view;
  }

  /** The site's tokens are worth nothing any more, and neither is what they were exchanged for. */
  async remove(caller: RevocationCaller, ifMatch?: string): Promise<void> {
    const { tenantId } = caller;
    await this.database.tenant(tenantId, async (tx) => {
      const before = await this.issuers.lock(tx, tenantId);
      if (!before) throw new SharedSecretIssuerNotFound();
      assertIfMatch(ifMatch, tagOf(before));
      await this.issuers.remove(tx, tenantId);
      await this.revocations.revokeEveryoneIn(tx, caller);
      await this.#audit(tx, caller, 'shared-secret-issuer.delete', {});
    });
    await this.revocations.announce();
  }

  /** Sealed before the transaction, which the vault's own questions would only prolong. */
  async #newSecret(tenantId: string, { secret }: PutSharedSecretIssuerDto): Promise<NewSecret> {
    if (secret !== undefined && isGuessable(secret)) throw new SecretGuessable();
    const text = secret ?? randomSecret();
    const { sealed } = await this.vault.seal(tenantId, text, sealContext(tenantId));
    return { sealed, shown: secret === undefined ? text : undefined };
  }

  #change(wanted: PutSharedSecretIssuerDto, before: IssuerRecord | undefined, next: NewSecret | undefined) {
    const { enabled = true, issuer = null, audience = null, trustModeMax = 2 } = wanted;
    const settings = { enabled, issuer, audience, trustModeMax };
    if (before && !next) {
      const { secretSealed, previousSealed, previousUntil } = before;
      return { ...settings, secretSealed, previousSealed, previousUntil };
    }
    const seconds = wanted.keepPreviousSeconds ?? KEEP_PREVIOUS_SECONDS;
    const keeps = before !== undefined && seconds > 0;
    return {
      ...settings,
      secretSealed: next!.sealed,
      previousSealed: keeps ? before.secretSealed : null,
      previousUntil: keeps ? new Date(this.clock.now().getTime() + seconds * 1_000) : null,
    };
  }

  async #record(
    tx: Tx,
    caller: RevocationCaller,
    wanted: PutSharedSecretIssuerDto,
    before: IssuerRecord | undefined,
    next: NewSecret | undefined,
  ): Promise<void> {
    const leaked = before !== undefined && next !== undefined && wanted.keepPreviousSeconds === 0;
    if (leaked) await this.revocations.revokeEveryoneIn(tx, caller);
    const { enabled = true, issuer = null, audience = null, trustModeMax = 2 } = wanted;
    const secret = next ? (next.shown === undefined ? 'given' : 'made') : 'kept';
    await this.#audit(tx, caller, 'shared-secret-issuer.put', { enabled, issuer, audience, trustModeMax, secret });
  }

  async #audit(
    tx: Tx,
    { tenantId, actor }: RevocationCaller,
    action: string,
    data: Record<string, string | number | boolean | null>,
  ): Promise<void> {
    await this.audit.record(tx, {
      tenantId,
      actor,
      action,
      resource: 'shared-secret-issuer',
      resourceId: tenantId,
      data,
    });
  }

  #view(row: IssuerRecord, secret?: string): IssuerView {
    const { enabled, issuer, audience, trustModeMax, previousUntil, updatedAt } = row;
    const kept = previousUntil && previousUntil > this.clock.now() ? previousUntil.toISOString() : null;
    const shown = secret === undefined ? {} : { secret };
    return {
      enabled,
      issuer,
      audience,
      trustModeMax,
      previousUntil: kept,
      updatedAt: updatedAt.toISOString(),
      ...shown,
    };
  }
}

/** The entity tag of an issuer as it is stored or shown. */
export const tagOf = ({ updatedAt }: { readonly updatedAt: Date | string }): string => etagOf(new Date(updatedAt));

const isGuessable = (secret: string): boolean =>
  Buffer.byteLength(secret) < SHORTEST_SITE_SECRET_BYTES || new Set(secret).size < FEWEST_DIFFERENT;
