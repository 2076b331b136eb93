import { Injectable } from '@nestjs/common';
import { ControlPlaneConfig } from '#libs/config';
import { Database, type Tx } from '#libs/database';
import { Clock } from '#libs/kernel';
import { AuditLog } from '../audit/audit-log.js';
import { isRotationDue, KEY_LIFE, type KeyStatus, statusOf } from './signing-key-life.js';
import { type KeyRecord, SigningKeysRepository } from './signing-keys.repository.js';
import { type FreshKey, SigningKeysService } from './signing-keys.service.js';

const AUTOMATIC = 'system:signing-key-rotation';

export interface SigningKeyView {
  readonly kid: string;
  readonly status: KeyStatus;
  readonly createdAt: string;
  /** Signs from then on. */
  readonly activeFrom: string;
  /** Signs no more from then on, but still verifies. */
  readonly retiredAt: string | null;
  /** Leaves the key set then, and with it whatever it signed. */
  readonly removeAfter: string | null;
}

/**
 * Replaces signing keys. The next key is published first and signs an hour later, from when the old one only verifies,
 * until its last token has ended. With `immediately` every key there is ends now, and every token of it.
 */
@Injectable()
export class SigningKeyRotation {
  constructor(
    private readonly database: Database,
    private readonly keys: SigningKeysRepository,
    private readonly service: SigningKeysService,
    private readonly audit: AuditLog,
    private readonly config: ControlPlaneConfig,
    private readonly clock: Clock,
  ) {}

  /** The newest first. */
  async list(): Promise<SigningKeyView[]> {
    const now = this.clock.now();
    const rows = await this.database.system((tx) => this.keys.published(tx));
    return rows.map((row) => viewOf(row, now));
  }

  /** While a key waits to sign, a second rotation in peace changes nothing. Returns the key set as it is then. */
  async rotate(actor: string, immediately: boolean): Promise<SigningKeyView[]> {
    await this.service.current(); // there is something to replace
    const fresh = await this.service.generate();
    const changed = await this.database.system(async (tx) => {
      await this.keys.lock(tx);
      if (immediately) return this.#replaceNow(tx, actor, fresh);
      return (await this.#isWaiting(tx)) ? false : this.#publishNext(tx, actor, fresh);
    });
    if (changed) await this.service.announce();
    return this.list();
  }

  /** What time alone asks for: the next key when the current one has signed long enough, and old ones forgotten. */
  async maintain(): Promise<void> {
    const due = await this.database.system(async (tx) => this.#isDue(tx));
    const fresh = due ? await this.service.generate() : undefined;
    const changed = await this.database.system(async (tx) => {
      await this.keys.lock(tx);
      const pruned = await this.#prune(tx);
      // Another process may have been first.
      return (fresh && (await this.#isDue(tx)) && (await this.#publishNext(tx, AUTOMATIC, fresh))) || pruned;
    });
    if (changed) await this.service.announce();
  }

  async #isDue(tx: Tx): Promise<boolean> {
    const [newest] = await this.keys.published(tx);
    return newest !== undefined && isRotationDue(newest, this.clock.now(), this.config.signingKeyDays);
  }

  async #isWaiting(tx: Tx): Promise<boolean> {
    const now = this.clock.now();
    return (await this.keys.published(tx)).some((row) => statusOf(row, now) === 'published');
  }

  async #publishNext(tx: Tx, actor: string, { key, sealed }: FreshKey): Promise<true> {
    const activeFrom = new Date(this.clock.now().getTime() + KEY_LIFE.publishedAheadMs);
    await this.keys.retire(tx, activeFrom);
    await this.keys.add(tx, key, sealed, activeFrom);
    await this.#record(tx, actor, 'signing-key.rotate', key.kid, { activeFrom: activeFrom.toISOString() });
    return true;
  }

  async #replaceNow(tx: Tx, actor: string, { key, sealed }: FreshKey): Promise<true> {
    const withdrawn = await this.keys.withdraw(tx);
    await this.keys.add(tx, key, sealed, this.clock.now());
    await this.#record(tx, actor, 'signing-key.replace', key.kid, { withdrawn });
    return true;
  }

  async #prune(tx: Tx): Promise<boolean> {
    const removed = await this.keys.prune(tx);
    for (const kid of removed) await this.#record(tx, AUTOMATIC, 'signing-key.remove', kid, {});
    return removed.length > 0;
  }

  async #record(tx: Tx, actor: string, action: string, resourceId: string, data: Record<string, string | string[]>) {
    await this.keys.renderGateways(tx);
    await this.audit.record(tx, { tenantId: null, actor, action, resource: 'signing-key', resourceId, data });
  }
}

const viewOf = (row: KeyRecord, now: Date): SigningKeyView => ({
  kid: row.kid,
  status: statusOf(row, now),
  createdAt: row.createdAt.toISOString(),
  activeFrom: row.activeFrom.toISOString(),
  retiredAt: row.retiredAt?.toISOString() ?? null,
  removeAfter: row.removeAfter?.toISOString() ?? null,
});
