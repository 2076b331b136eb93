import { Injectable } from '@nestjs/common';
import { ControlPlaneConfig } from '#libs/config';
import type { GatewayConfig, GatewayStatus } from '#libs/contracts';
import type { Lease } from '#libs/database';
import type { GatewayAddress } from '#libs/drivers/core';
import { Clock, deadline } from '#libs/kernel';
import { type GatewayEndpoint, GatewayRuntime } from '#libs/runtimes/core';
import { GatewayHost } from '../gateway-host.js';
import type { GatewayRecord } from '../resources.repository.js';
import { StepObserver } from '../steps.js';
import { RehearsalCopy } from './rehearsal-copy.js';
import { endOf, type Fault, faultyIn, isLooking, newFault, silent } from './upgrade-checks.js';

/** Agents that are copied before the copy's status is asked again. */
const AT_ONCE = 8;
/** Longest copy of one agent, and longest of any other call, in milliseconds. */
const COPY_LIMIT = 120_000;
const CALL_LIMIT = 30_000;
/** A copy may end by itself this often before it counts: the engine may have restarted. */
const ENDS_ALLOWED = 1;

/** `wait`: look again soon. */
export type Rehearsed = 'again' | 'wait' | 'passed' | Fault;

/**
 * Tries the new image on copies of everything, beside the gateway that goes on serving. What has been copied so far is
 * what the copy's own status says, so that a pass that died is simply gone on with.
 */
@Injectable()
export class UpgradeRehearsal {
  constructor(
    private readonly copies: RehearsalCopy,
    private readonly host: GatewayHost,
    private readonly runtime: GatewayRuntime,
    private readonly config: ControlPlaneConfig,
    private readonly steps: StepObserver,
    private readonly clock: Clock,
  ) {}

  async step(
    gateway: GatewayRecord,
    copy: GatewayRecord,
    original: GatewayStatus,
    lease: Lease,
    signal: AbortSignal,
  ): Promise<Rehearsed> {
    const state = await this.copies.inspect(copy, deadline(CALL_LIMIT, signal));
    if (state.status === 'stopped' && state.generation === Number(copy.generation)) {
      if (copy.failures >= ENDS_ALLOWED) return endOf(state);
      await this.copies.countEnd(copy, lease);
      return 'again';
    }
    if (state.status !== 'running') {
      await this.copies.start(copy, lease, deadline(CALL_LIMIT, signal));
      this.steps.reached('gateway', gateway.phase, 'copy-started');
      return 'again';
    }
    const status = await this.host.probe(copy.id, state.address, deadline(CALL_LIMIT, signal));
    if (!status) return this.#silence(copy);
    return this.#look(gateway, { copy, address: state.address, status, original }, lease, signal);
  }

  /** Since the last try to start it, which is when its row was made or changed. */
  #silence(copy: GatewayRecord): Rehearsed {
    const { gatewayStartSeconds: seconds } = this.config;
    return this.clock.now().getTime() - copy.updatedAt.getTime() > seconds * 1_000 ? silent(seconds) : 'wait';
  }

  async #look(gateway: GatewayRecord, there: There, lease: Lease, signal: AbortSignal): Promise<Rehearsed> {
    const { copy, status, original } = there;
    const { config } = await this.host.compile(gateway, lease.fence, deadline(CALL_LIMIT, signal));
    const known = faultyIn(original);
    const wanted = config.agents.filter(({ agentId }) => !known.includes(agentId));
    const present = new Set(status.agents.map(({ agentId }) => agentId));
    const missing = wanted.filter(({ agentId }) => !present.has(agentId)).slice(0, AT_ONCE);
    if (missing.length > 0 || status.state === 'unconfigured') {
      const at = this.copies.endpoint(copy, there.address);
      for (const { agentId } of missing) await this.#copy(gateway, at, agentId, signal);
      const agents = wanted.filter((agent) => present.has(agent.agentId) || missing.includes(agent));
      await this.#configure(at, { ...config, gatewayId: copy.id, agents }, signal);
      this.steps.reached('gateway', gateway.phase, 'copied');
      return 'again';
    }
    if (isLooking(status)) return 'wait';
    const fault = newFault(status, []);
    if (!fault) this.steps.reached('gateway', gateway.phase, 'checked');
    return fault ?? 'passed';
  }

  /** As of one moment; the agent goes on answering meanwhile. */
  async #copy(gateway: GatewayRecord, to: GatewayEndpoint, agentId: string, signal: AbortSignal): Promise<void> {
    const limit = deadline(COPY_LIMIT, signal);
    const from = this.host.endpoint(gateway.id, gateway.address as unknown as GatewayAddress);
    const archive = await this.runtime.snapshotAgent(from, agentId, limit);
    if (archive) await this.runtime.importAgent(to, agentId, archive, undefined, limit);
  }

  /** Nothing is run, sent or called by a copy, and it could not: it has no broker. */
  async #configure(at: GatewayEndpoint, config: GatewayConfig, signal: AbortSignal): Promise<void> {
    const silenced = { ...config, rehearsal: true, brokerUrl: null };
    await this.runtime.apply(at, silenced, 0, deadline(CALL_LIMIT, signal));
  }
}

interface There {
  readonly copy: GatewayRecord;
  readonly address: GatewayAddress;
  readonly status: GatewayStatus;
  /** Of the gateway itself. */
  readonly original: GatewayStatus;
}
