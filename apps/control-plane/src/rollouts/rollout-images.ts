import { Injectable } from '@nestjs/common';
import { Database } from '#libs/database';
import { deadline } from '#libs/kernel';
import { HostDrivers } from '../fleet/host-drivers.js';
import type { RolloutScope } from './rollout-policy.js';

const RESOLVE_LIMIT = 15_000;

/** Finds out what a reference means, once: a tag that is moved later moves nothing. */
@Injectable()
export class RolloutImages {
  constructor(
    private readonly database: Database,
    private readonly drivers: HostDrivers,
  ) {}

  /** As the first host of the scope knows it that answers. Undefined: there is no host yet. Throws DriverError. */
  async resolve(reference: string, scope: RolloutScope, signal: AbortSignal): Promise<string | undefined> {
    const where = {
      state: { in: ['active', 'cordoned'] },
      silentSince: null,
      ...(scope.hostId && { id: scope.hostId }),
    };
    const hosts = await this.database.once((client) =>
      client.host.findMany({ where, select: { id: true }, orderBy: { createdAt: 'asc' } }),
    );
    let refused: unknown;
    for (const { id } of hosts) {
      const limit = deadline(RESOLVE_LIMIT, signal);
      try {
        return await (await this.drivers.of(id, limit)).resolveImage(reference, limit);
      } catch (error) {
        signal.throwIfAborted();
        refused ??= error;
      }
    }
    if (refused !== undefined) throw refused;
    return undefined;
  }
}
