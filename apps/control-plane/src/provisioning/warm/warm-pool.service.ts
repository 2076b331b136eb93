import { Injectable } from '@nestjs/common';
import { ControlPlaneConfig } from '#libs/config';
import { Database, type Prisma } from '#libs/database';
import { Clock } from '#libs/kernel';
import { AuditLog } from '../../audit/audit-log.js';
import { assertIfMatch } from '../../http/etag.js';
import { type WarmPool, WarmPoolRepository } from './warm-pool.repository.js';
import { defaultWarmPool, type WarmPoolSettings } from './warm-pool.settings.js';
import { toWarmPoolView, warmPoolEtag, type WarmPoolView } from './warm-pool.view.js';
import { sizeAt } from './warm-schedule.js';

type Given<T> = { readonly [K in keyof T]?: T[K] | undefined };

export interface WarmPoolAnswer {
  readonly view: WarmPoolView;
  readonly etag: string;
}

/** What operators see of the pool and decide about it. */
@Injectable()
export class WarmPoolService {
  constructor(
    private readonly database: Database,
    private readonly pool: WarmPoolRepository,
    private readonly config: ControlPlaneConfig,
    private readonly audit: AuditLog,
    private readonly clock: Clock,
  ) {}

  async get(): Promise<WarmPoolAnswer> {
    return this.#answer(await this.pool.read());
  }

  /** Puts all settings in place of what was; what is left out becomes its default. */
  async put(wanted: Given<WarmPoolSettings>, actor: string, ifMatch: string | undefined): Promise<WarmPoolAnswer> {
    const given = Object.fromEntries(Object.entries(wanted).filter(([, value]) => value !== undefined));
    const settings: WarmPoolSettings = { ...defaultWarmPool(this.config.provisioning.warmGateways), ...given };
    const after = await this.database.system(async (tx) => {
      await tx.$queryRaw`SELECT 1 FROM installation WHERE id = 1 FOR UPDATE`;
      const before = await this.pool.readIn(tx);
      assertIfMatch(ifMatch, warmPoolEtag(before));
      await this.pool.saveSettings(tx, settings, before.version + 1);
      const data = { from: before.settings, to: settings } as unknown as Prisma.InputJsonObject;
      const line = { action: 'warm-pool.change', resource: 'warm-pool', resourceId: 'warm-pool', data };
      const pool = await this.pool.readIn(tx);
      await this.audit.record(tx, { ...line, tenantId: null, actor });
      return pool;
    });
    return this.#answer(after);
  }

  #answer(pool: WarmPool): WarmPoolAnswer {
    const now = this.clock.now();
    return { view: toWarmPoolView(pool, sizeAt(pool.settings, now), now), etag: warmPoolEtag(pool) };
  }
}
