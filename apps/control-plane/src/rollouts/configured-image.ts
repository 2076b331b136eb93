import { Injectable } from '@nestjs/common';
import { ControlPlaneConfig } from '#libs/config';
import { assertLeadership, Database, type Leadership, type Tx } from '#libs/database';
import { AuditLog } from '../audit/audit-log.js';
import { Outbox } from '../outbox/outbox.js';
import { RolloutImages } from './rollout-images.js';
import { policyFor } from './rollout-policy.js';
import type { RolloutRow } from './rollout-view.js';
import { RolloutsRepository } from './rollouts.repository.js';
import { RolloutsService } from './rollouts.service.js';

/** Who makes a rollout when the configured image is another one than before. */
export const CONFIGURATION = 'system:configuration';

/**
 * The image of the configuration, as seen by the process that does the duty: once for every new one there is a rollout to
 * the whole fleet. What operators rolled out since is not undone by a restart, because the configuration has not changed.
 */
@Injectable()
export class ConfiguredImage {
  /** What the configuration means here has been seen to: it does not change while the process lives. */
  #seen = false;

  constructor(
    private readonly config: ControlPlaneConfig,
    private readonly database: Database,
    private readonly images: RolloutImages,
    private readonly rollouts: RolloutsRepository,
    private readonly service: RolloutsService,
    private readonly audit: AuditLog,
    private readonly outbox: Outbox,
  ) {}

  async follow(lead: Leadership, signal: AbortSignal): Promise<void> {
    if (this.#seen) return;
    const image = await this.images.resolve(this.config.gatewayImage, {}, signal);
    if (image === undefined) return;
    await this.database.system(async (tx) => {
      await assertLeadership(tx, lead);
      await this.rollouts.lock(tx);
      const last = await tx.rollout.findFirst({ where: { actor: CONFIGURATION }, orderBy: { id: 'desc' } });
      const isNew = last?.image !== image && (last === null || this.config.provisioning.autoRollout);
      if (isNew) await this.#rollOut(tx, image, last !== null);
    });
    await this.outbox.announce();
    this.#seen = true;
  }

  /** `again`: there was another configuration before this one. */
  async #rollOut(tx: Tx, image: string, again: boolean): Promise<void> {
    const gateways = await tx.gateway.count({ where: { ...this.rollouts.inScope({}), image: { not: image } } });
    const requested = this.config.gatewayImage;
    const common = { image, requested, scope: {}, actor: CONFIGURATION, policy: policyFor(gateways) };
    if (gateways === 0) {
      const reason = again ? 'Every gateway had this image already.' : 'The image of the first start.';
      await this.#note(tx, await this.rollouts.create(tx, { ...common, status: 'succeeded', reason }));
      return;
    }
    const row = await this.rollouts.create(tx, { ...common, status: 'pending' });
    await this.service.supersede(tx, row);
    await this.#note(tx, row);
  }

  async #note(tx: Tx, { id, image }: RolloutRow): Promise<void> {
    const line = { action: 'rollout.create', resource: 'rollout', resourceId: id, data: { image } };
    await this.audit.record(tx, { ...line, tenantId: null, actor: CONFIGURATION });
  }
}
