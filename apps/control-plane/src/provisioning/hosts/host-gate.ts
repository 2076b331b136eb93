import { Injectable } from '@nestjs/common';
import type { Lease } from '#libs/database';
import { HostLanes } from '../../fleet/host-lanes.js';
import { conditionsOf } from '../conditions.js';
import { GatewayRows } from '../gateway-rows.js';
import { type Outcome, waitFor } from '../outcome.js';
import type { AgentRecord, GatewayRecord } from '../resources.repository.js';
import { LostGateways } from './lost-gateways.js';

/** The lane is full: another look soon, but not all at once. */
const LANE_WAIT_MS = 1_000;
/** The same as when the engine itself was asked in vain. */
const REASON = 'engine-unreachable';
/** The host watch says when the host is back; this is for a word that got lost. */
const SILENT_WAIT_MS = 60_000;

/** What stands between a pass and a host: that it is gone, does not answer, or has enough to do. */
@Injectable()
export class HostGate {
  constructor(
    private readonly lanes: HostLanes,
    private readonly lost: LostGateways,
    private readonly rows: GatewayRows,
  ) {}

  async gateway(
    gateway: GatewayRecord,
    lease: Lease,
    signal: AbortSignal,
    work: (signal: AbortSignal) => Promise<Outcome>,
  ): Promise<Outcome> {
    if (gateway.host.state === 'lost') return this.lost.giveUp(gateway, lease);
    if (gateway.host.silentSince) return this.#await(gateway, lease);
    const pass = async (bounded: AbortSignal) => (await this.lost.comeBack(gateway, lease, bounded)) ?? work(bounded);
    return (await this.lanes.pass('gateways', gateway.hostId, signal, pass)) ?? waitFor(soon());
  }

  async agent(
    agent: AgentRecord,
    signal: AbortSignal,
    work: (signal: AbortSignal) => Promise<Outcome>,
  ): Promise<Outcome> {
    if (!agent.gateway) return work(signal);
    return (await this.lanes.pass('agents', agent.gateway.hostId, signal, work)) ?? waitFor(soon());
  }

  /**
   * A silent host is asked by the watch alone. What runs there may well serve on, so a ready gateway's row is not touched;
   * whoever waits for one that is not is told why.
   */
  async #await(gateway: GatewayRecord, lease: Lease): Promise<Outcome> {
    const known = conditionsOf(gateway.conditions).find((condition) => condition.type === 'Ready');
    if (gateway.phase !== 'ready' && known?.reason !== REASON) {
      const since = gateway.host.silentSince!.toISOString();
      const message = `Its host ${gateway.host.name} has not answered since ${since}. It goes on when the host is back; an operator can declare the host lost instead.`;
      const condition = { type: 'Ready', status: false, reason: REASON, message };
      await this.rows.settle(gateway, lease, { condition });
    }
    return waitFor(SILENT_WAIT_MS);
  }
}

const soon = (): number => LANE_WAIT_MS * (0.5 + Math.random());
