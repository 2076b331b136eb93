import { Injectable } from '@nestjs/common';
import type { GatewayAddress } from '#libs/drivers/core';
import { backoff, Clock, deadline } from '#libs/kernel';
import { type GatewayEndpoint, GatewayRuntime } from '#libs/runtimes/core';
import { SERVING, SLEEPING } from '../provisioning/phases.js';
import { type Failure, toFailure } from '../provisioning/provisioning.errors.js';
import { type AgentRecord, ResourcesRepository } from '../provisioning/resources.repository.js';
import { StepObserver } from '../provisioning/steps.js';
import { Wakes } from '../provisioning/sleep/wakes.js';
import { Waker } from '../provisioning/waker.js';
import { GatewayCredentials } from '../secrets/gateway-credentials.js';
import { BackupArchives } from './backup-archives.js';
import { isGivenUp } from './backup-kinds.js';
import { BackupLost, NothingToBackUp } from './backups.errors.js';
import type { BackupRow } from './backup-rows.js';
import { BackupsRepository } from './backups.repository.js';

/** Longest time for one archive, in milliseconds. */
const TRANSFER_LIMIT = 1_800_000;
const WAIT_MS = 2_000;
/** Until the worker renews it for the first time. */
const FIRST_LEASE_SECONDS = 30;
/** Long enough to take away what attempts have left. */
const LAST_LEASE_SECONDS = 120;
/** A process that dies this often over one backup dies because of it. */
const MOST_ATTEMPTS = 50;

type Home = NonNullable<AgentRecord['gateway']>;

/** Why it cannot be made right now. */
interface Waiting {
  readonly code: string;
  readonly message: string;
}

/**
 * Makes one backup: the gateway's snapshot goes through compression and encryption into the store as it comes. The row says
 * where the object will be before there is one; a crash anywhere leaves the row to the next process, which begins again
 * under another key and takes away what the former one left.
 */
@Injectable()
export class BackupRunner {
  constructor(
    private readonly backups: BackupsRepository,
    private readonly archives: BackupArchives,
    private readonly resources: ResourcesRepository,
    private readonly runtime: GatewayRuntime,
    private readonly credentials: GatewayCredentials,
    private readonly wakes: Wakes,
    private readonly waker: Waker,
    private readonly steps: StepObserver,
    private readonly clock: Clock,
  ) {}

  /** Of a row that was claimed. Never rejects for what concerns the backup: that is on its row. */
  async run(row: BackupRow, signal: AbortSignal): Promise<void> {
    try {
      const agent = await this.resources.findAgent(row.agentId);
      const waiting = await this.#obstacle(agent);
      if (waiting) await this.#later(row, waiting, WAIT_MS);
      else await this.#make(row, agent!, signal);
    } catch (error) {
      if (signal.aborted || error instanceof BackupLost) throw error;
      await this.#failed(row, toFailure(error), signal);
    }
    if (row.operationId) await this.waker.wake('agent', row.agentId);
  }

  /** Wakes the gateway when that is all it takes. */
  async #obstacle(agent: AgentRecord | undefined): Promise<Waiting | undefined> {
    const gateway = agent?.gateway;
    if (!agent || !gateway || gateway.desiredState === 'deleted')
      return { code: 'agent-not-placed', message: 'The agent is on no gateway yet.' };
    if (SERVING.includes(gateway.phase) && gateway.address) return undefined;
    if (gateway.desiredState === 'stopped')
      return { code: 'agent-inactive', message: 'The agent is out of service, and its gateway is stopped.' };
    if (SLEEPING.includes(gateway.phase)) await this.wakes.agent(agent.id, 'backup');
    return { code: 'gateway-not-ready', message: `The agent’s gateway is ${gateway.phase}.` };
  }

  async #make(row: BackupRow, agent: AgentRecord, signal: AbortSignal): Promise<void> {
    const limit = deadline(TRANSFER_LIMIT, signal);
    if (!(await this.backups.renew(row, FIRST_LEASE_SECONDS))) throw new BackupLost(row.id);
    const at = this.#endpoint(agent.gateway!);
    const { version } = await this.runtime.status(at, limit);
    const tar = await this.runtime.snapshotAgent(at, agent.id, limit);
    if (!tar) throw new NothingToBackUp();
    const archive = await this.archives.write(row, tar, limit);
    this.steps.reached('backup', 'running', 'stored');
    if (!(await this.backups.succeed(row, archive, version))) {
      // Only this attempt's: what another process has made of it since is not this one's to touch.
      await this.archives.removeAttempt(row, limit);
      throw new BackupLost(row.id);
    }
    this.steps.reached('backup', 'succeeded', 'recorded');
    if (row.attempts > 1) await this.archives.remove(row, limit, row.objectKey);
    this.steps.reached('backup', 'succeeded', 'tidied');
  }

  async #failed(row: BackupRow, failure: Failure, signal: AbortSignal): Promise<void> {
    if (failure.retryable) return this.#later(row, failure, backoff(row.attempts, WAIT_MS, 300_000));
    await this.#end(row, failure, signal);
  }

  async #later(row: BackupRow, why: Waiting, milliseconds: number): Promise<void> {
    const now = this.clock.now();
    const { code, message } = why;
    const over = isGivenUp(row.kind, row.createdAt, now) || row.attempts >= MOST_ATTEMPTS;
    if (over) return this.#end(row, why, AbortSignal.timeout(60_000));
    await this.backups.putBack(row, new Date(now.getTime() + milliseconds), { code, message });
  }

  /** No object stays of a backup that failed: what an attempt left goes first. */
  async #end(row: BackupRow, { code, message }: Waiting, signal: AbortSignal): Promise<void> {
    if (!(await this.backups.renew(row, LAST_LEASE_SECONDS))) throw new BackupLost(row.id);
    await this.archives.remove(row, signal);
    this.steps.reached('backup', 'running', 'discarded');
    await this.backups.fail(row, { code, message });
  }

  #endpoint(gateway: Home): GatewayEndpoint {
    const address = gateway.address as unknown as GatewayAddress;
    return { ...address, credential: this.credentials.control(gateway.id) };
  }
}
