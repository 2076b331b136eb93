import { Injectable } from '@nestjs/common';
import { Database } from '#libs/database';
import { Clock } from '#libs/kernel';
import { assertIfMatch, etagOf } from '../http/etag.js';
import { CeilingAnnouncer } from '../trust/ceiling-announcer.js';
import { TierApplication } from './tier-application.js';
import { assertPossible, type TierContent, type TierRow } from './tier-definition.js';
import { type TierCaller, TierRecords } from './tier-records.js';
import { TierExists, TierRetirementForbidden } from './tiers.errors.js';
import { TiersService, type TierTemplateKey, type TierView, toTierView } from './tiers.service.js';

/** Everything about every member of the tier is one transaction: 10,000 of them take seconds. */
const LIMIT = { timeout: 60_000 };

export const tierEtag = (row: Pick<TierView, 'key' | 'version'>): string => etagOf(row.key, row.version);

/** Changes tiers, and everything that a change means for those who have them, in one transaction. */
@Injectable()
export class TierChangesService {
  constructor(
    private readonly database: Database,
    private readonly tiers: TiersService,
    private readonly records: TierRecords,
    private readonly application: TierApplication,
    private readonly announcer: CeilingAnnouncer,
    private readonly clock: Clock,
  ) {}

  /** Throws TierExists or TierRuleBroken. */
  async create(caller: TierCaller, key: string, content: TierContent): Promise<TierView> {
    assertPossible(content);
    const { tenantId, actor } = caller;
    const row = await this.database.tenant(tenantId, async (tx) => {
      await this.records.lock(tx, tenantId);
      if (await this.records.find(tx, tenantId, key)) throw new TierExists();
      const created = await this.tiers.insert(tx, tenantId, key, content, actor);
      await this.records.tell(tx, caller, 'tier.create', created, { version: created.version });
      return created;
    });
    await this.announcer.announce({ fell: 0, agentIds: [] });
    return toTierView(row);
  }

  /** Throws TierNotFound, PreconditionFailed or TierRuleBroken. The same again changes nothing. */
  async put(caller: TierCaller, key: string, content: TierContent, ifMatch?: string): Promise<TierView> {
    assertPossible(content);
    const { row, outcome } = await this.database.tenant(
      caller.tenantId,
      async (tx) => {
        const before = await this.records.locked(tx, caller.tenantId, key);
        assertIfMatch(ifMatch, tierEtag(before));
        return this.application.apply(tx, caller, before, content);
      },
      LIMIT,
    );
    await this.announcer.announce(outcome);
    return toTierView(row);
  }

  /** Members keep it, nobody else gets it; twice is once. Throws TierNotFound or TierRetirementForbidden. */
  async retire(caller: TierCaller, key: string, ifMatch?: string): Promise<void> {
    await this.#mark(caller, key, ifMatch, this.clock.now());
  }

  /** Throws TierNotFound. */
  async restore(caller: TierCaller, key: string): Promise<TierView> {
    return toTierView(await this.#mark(caller, key, undefined, null));
  }

  /** Adds the template's tiers whose keys the tenant does not have; returns their keys. */
  async applyTemplate(caller: TierCaller, template: TierTemplateKey): Promise<readonly string[]> {
    const { tenantId, actor } = caller;
    const added = await this.database.tenant(tenantId, async (tx) => {
      await this.records.lock(tx, tenantId);
      const keys = await this.tiers.copyTemplate(tx, tenantId, template, actor);
      if (keys.length > 0) await this.records.tellTemplate(tx, caller, template, keys);
      return keys;
    });
    await this.announcer.announce({ fell: 0, agentIds: [] });
    return added;
  }

  async #mark(caller: TierCaller, key: string, ifMatch: string | undefined, retiredAt: Date | null): Promise<TierRow> {
    const { tenantId } = caller;
    const row = await this.database.tenant(tenantId, async (tx) => {
      const before = await this.records.locked(tx, tenantId, key);
      assertIfMatch(ifMatch, tierEtag(before));
      if ((before.retiredAt === null) === (retiredAt === null)) return before;
      if (retiredAt && (await this.records.countOffered(tx, tenantId)) === 1) throw new TierRetirementForbidden();
      const after = await this.records.update(tx, before, { retiredAt });
      await this.tiers.keepVersion(tx, after, caller.actor);
      const action = retiredAt ? 'tier.retire' : 'tier.restore';
      await this.records.tell(tx, caller, action, after, { version: after.version });
      return after;
    });
    await this.announcer.announce({ fell: 0, agentIds: [] });
    return row;
  }
}
