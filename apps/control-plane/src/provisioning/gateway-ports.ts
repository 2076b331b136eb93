import { Injectable } from '@nestjs/common';
import type { Lease } from '#libs/database';
import { backoff } from '#libs/kernel';
import { GatewayRows } from './gateway-rows.js';
import { type Outcome, again, waitFor } from './outcome.js';
import { anotherPort, freePort, isOutside } from './port-registry.js';
import { type Failure, PortRangeFull, toFailure } from './provisioning.errors.js';
import { type GatewayRecord, ResourcesRepository } from './resources.repository.js';

/** Ports that are tried one after the other; when strangers have that many, the next one waits. */
const PROMPT_MOVES = 8;

/** Keeps gateways on ports that are theirs. */
@Injectable()
export class GatewayPorts {
  constructor(
    private readonly resources: ResourcesRepository,
    private readonly rows: GatewayRows,
  ) {}

  /** A stranger listens on its port: the next one of its host's. Where strangers have all of them it goes on, ever slower. */
  async another(gateway: GatewayRecord, lease: Lease, failure: Failure): Promise<Outcome> {
    const condition = { type: 'Ready', status: false, reason: failure.code, message: failure.message };
    try {
      await this.resources.asGateway(lease, async (tx) => {
        const port = await anotherPort(tx, gateway.hostId, gateway.port ?? 0);
        const data = { port, generation: { increment: 1n }, failures: { increment: 1 } };
        await this.resources.changeGateway(tx, gateway, { condition, data });
      });
    } catch (error) {
      if (!(error instanceof PortRangeFull)) throw error;
      return this.rows.backOff(gateway, lease, toFailure(error));
    }
    const moves = gateway.failures - PROMPT_MOVES;
    return moves < 0 ? again : waitFor(backoff(moves, 1_000, 60_000));
  }

  /**
   * Of one that is started anew: true when its host's ports are others now and it got one of them. While none is free it
   * keeps its own.
   */
  async movedIntoRange(gateway: GatewayRecord, lease: Lease): Promise<boolean> {
    const { port, host } = gateway;
    if (port === null || !isOutside(port, host)) return false;
    try {
      await this.resources.asGateway(lease, async (tx) => {
        const data = { port: await freePort(tx, host), generation: { increment: 1n } };
        await this.resources.changeGateway(tx, gateway, { data });
      });
      return true;
    } catch (error) {
      if (error instanceof PortRangeFull) return false;
      throw error;
    }
  }
}
