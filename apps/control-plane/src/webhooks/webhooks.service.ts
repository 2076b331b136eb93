import { Injectable } from '@nestjs/common';
import { ControlPlaneConfig } from '#libs/config';
import { Database, type Prisma, type Tx } from '#libs/database';
import { Clock, Ids } from '#libs/kernel';
import { assertPublicUrl } from '#libs/outbound';
import { AuditLog } from '../audit/audit-log.js';
import { assertIfMatch, etagOf } from '../http/etag.js';
import { WebhookSecrets } from './webhook-secrets.js';
import { toWebhookView, type WebhookView } from './webhook-views.js';
import { TooManyWebhooks, WebhookNotFound } from './webhooks.errors.js';
import { type EndpointRow, WebhooksRepository } from './webhooks.repository.js';

export const MAX_WEBHOOKS = 20;

export interface WebhookCaller {
  readonly tenantId: string;
  readonly actor: string;
}

export interface WebhookInput {
  readonly url: string;
  readonly events: readonly string[];
  readonly description?: string | undefined;
}

export const webhookEtag = (view: WebhookView): string => etagOf(view.id, view.updatedAt);

/** A tenant's webhook endpoints. */
@Injectable()
export class WebhooksService {
  constructor(
    private readonly database: Database,
    private readonly webhooks: WebhooksRepository,
    private readonly secrets: WebhookSecrets,
    private readonly audit: AuditLog,
    private readonly config: ControlPlaneConfig,
    private readonly ids: Ids,
    private readonly clock: Clock,
  ) {}

  async list(tenantId: string): Promise<WebhookView[]> {
    const rows = await this.database.tenant(tenantId, (tx) => this.webhooks.list(tx, tenantId));
    return rows.map(toWebhookView);
  }

  async get(tenantId: string, id: string): Promise<WebhookView> {
    return toWebhookView(await this.database.tenant(tenantId, (tx) => this.#require(tx, tenantId, id)));
  }

  /** The signing secret is returned this once. Throws AddressNotPublic or TooManyWebhooks. */
  async create(
    { tenantId, actor }: WebhookCaller,
    input: WebhookInput,
  ): Promise<WebhookView & { readonly secret: string }> {
    this.#assertUrl(input.url);
    const id = this.ids.next('webhook');
    const { secret, sealed } = await this.secrets.create(tenantId, id);
    const row = await this.database.tenant(tenantId, async (tx) => {
      await this.webhooks.lock(tx, tenantId);
      if ((await this.webhooks.count(tx, tenantId)) >= MAX_WEBHOOKS) throw new TooManyWebhooks(MAX_WEBHOOKS);
      const { url, events, description = null } = input;
      const created = await this.webhooks.create(tx, tenantId, {
        id,
        url,
        description,
        events: [...events],
        secretSealed: sealed,
      });
      await this.#record(tx, { tenantId, actor }, id, 'create', { host: new URL(url).host, events: [...events] });
      return created;
    });
    return { ...toWebhookView(row), secret };
  }

  async update(
    caller: WebhookCaller,
    id: string,
    input: Partial<WebhookInput> & { readonly status?: 'active' | 'paused' | undefined },
    ifMatch?: string,
  ): Promise<WebhookView> {
    if (input.url !== undefined) this.#assertUrl(input.url);
    const row = await this.database.tenant(caller.tenantId, async (tx) => {
      const before = await this.#require(tx, caller.tenantId, id);
      assertIfMatch(ifMatch, webhookEtag(toWebhookView(before)));
      const { url, events, description, status } = input;
      // Whoever sets it active again starts with a clean slate.
      const active = status === 'active' ? { disabledReason: null, failingSince: null } : {};
      const after = await this.webhooks.update(tx, caller.tenantId, id, {
        ...(url === undefined ? {} : { url }),
        ...(events === undefined ? {} : { events: [...events] }),
        ...(description === undefined ? {} : { description }),
        ...(status === undefined ? {} : { status, ...active }),
      });
      await this.#record(tx, caller, id, 'update', {
        host: new URL(after.url).host,
        events: after.events,
        status: after.status,
      });
      return after;
    });
    return toWebhookView(row);
  }

  /** A new secret; the one before signs too for `overlapSeconds`, so that receivers can change over. */
  async rotateSecret(
    caller: WebhookCaller,
    id: string,
    overlapSeconds: number,
  ): Promise<{ secret: string; previousSecretUntil: string }> {
    const { tenantId } = caller;
    const { secret, sealed } = await this.secrets.create(tenantId, id);
    const previousUntil = new Date(this.clock.now().getTime() + overlapSeconds * 1_000);
    await this.database.tenant(tenantId, async (tx) => {
      const before = await this.#require(tx, tenantId, id);
      const data = { secretSealed: sealed, previousSealed: before.secretSealed, previousUntil };
      await this.webhooks.update(tx, tenantId, id, data);
      await this.#record(tx, caller, id, 'rotate-secret', { overlapSeconds });
    });
    return { secret, previousSecretUntil: previousUntil.toISOString() };
  }

  /** Its deliveries go with it. */
  async delete(caller: WebhookCaller, id: string): Promise<void> {
    await this.database.tenant(caller.tenantId, async (tx) => {
      await this.#require(tx, caller.tenantId, id);
      await this.webhooks.delete(tx, caller.tenantId, id);
      await this.#record(tx, caller, id, 'delete', {});
    });
  }

  #assertUrl(url: string): void {
    assertPublicUrl(url, { allowPrivate: this.config.webhooksAllowPrivate });
  }

  async #require(tx: Tx, tenantId: string, id: string): Promise<EndpointRow> {
    const row = await this.webhooks.find(tx, tenantId, id);
    if (!row) throw new WebhookNotFound();
    return row;
  }

  #record(tx: Tx, caller: WebhookCaller, id: string, verb: string, data: Prisma.InputJsonObject): Promise<void> {
    return this.audit.record(tx, { ...caller, action: `webhook.${verb}`, resource: 'webhook', resourceId: id, data });
  }
}
