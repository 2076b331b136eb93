import { Injectable } from '@nestjs/common';
import { deadline } from '#libs/kernel';
import { HostDrivers } from '../../fleet/host-drivers.js';
import { refusalOf, TENANT_LABEL } from '../../fleet/placement/host-choice.js';
import { toFailure } from '../provisioning.errors.js';
import { WarmPoolRepository } from './warm-pool.repository.js';
import type { WarmKind, WarmPoolSettings } from './warm-pool.settings.js';
import type { WarmNote } from './warm-pool.state.js';

/** A host that does not tell its memory within this time gets no warm gateway, in milliseconds. */
const ASK_LIMIT = 5_000;
const MB = 1024 ** 2;

/** Whether a host has room for a gateway that nobody needs yet. */
@Injectable()
export class WarmRoom {
  constructor(
    private readonly pool: WarmPoolRepository,
    private readonly drivers: HostDrivers,
  ) {}

  /** What is in the way; undefined: nothing. */
  async obstacle(
    hostId: string,
    kind: WarmKind,
    { memoryHeadroomMb }: WarmPoolSettings,
    signal: AbortSignal,
  ): Promise<WarmNote | undefined> {
    const { host, usedMb } = await this.pool.hostOf(hostId);
    if (!host) return undefined;
    const refusal = refusalOf(host, { ...kind, tenant: host.labels[TENANT_LABEL] ?? '' });
    if (refusal) return noRoom(host.name, refusal.message);
    const limit = deadline(ASK_LIMIT, signal);
    try {
      const { memoryBytes } = await (await this.drivers.of(hostId, limit)).usage(limit);
      const left = Math.max(0, Math.floor(memoryBytes / MB - usedMb - kind.memoryMb));
      if (left >= memoryHeadroomMb) return undefined;
      return noRoom(host.name, `it would leave ${left} MiB of memory free, and ${memoryHeadroomMb} are to be kept`);
    } catch (error) {
      if (signal.aborted) throw error;
      return noRoom(host.name, toFailure(error).message);
    }
  }
}

const noRoom = (host: string, why: string): WarmNote => ({
  reason: 'no-room',
  message: `Nothing is made ahead on ${host}: ${why}. Members get their gateways all the same, started when they need them.`,
});
