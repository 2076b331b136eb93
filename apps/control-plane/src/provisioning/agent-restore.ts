import { Injectable } from '@nestjs/common';
import { BackupError } from '#libs/backup';
import type { Lease } from '#libs/database';
import type { GatewayAddress } from '#libs/drivers/core';
import { Clock, deadline } from '#libs/kernel';
import { type GatewayEndpoint, GatewayRuntime } from '#libs/runtimes/core';
import { FirstBackupFailed } from '../backups/backups.errors.js';
import type { BackupRow } from '../backups/backup-rows.js';
import { RestoreSource } from '../backups/restore-source.js';
import { OperationsRepository } from '../operations/operations.repository.js';
import { RoutePublisher } from '../routing/route-publisher.js';
import { GatewayCredentials } from '../secrets/gateway-credentials.js';
import { type Outcome, again, waitFor } from './outcome.js';
import { type Failure, LeaseLost, toFailure } from './provisioning.errors.js';
import { type AgentRecord, ResourcesRepository } from './resources.repository.js';
import { StepObserver } from './steps.js';
import { Waker } from './waker.js';

const WAIT_MS = 2_000;
const TRANSFER_LIMIT_MS = 600_000;
/** An agent that has a folder to go back to is not kept from its members longer than this. */
const HELD_LIMIT_MS = 300_000;
const NO_BACKUP_WAIT_MS = 600_000;

/** Failures that another try with the same backup meets again, wherever the agent is. */
const BACKUPS_FAULT = new Set(['backup-damaged', 'backup-object-missing', 'backup-not-ready', 'archive-invalid']);

type Home = NonNullable<AgentRecord['gateway']>;

/**
 * Replaces an agent's folder by a backup (`restoreBackupId`). The columns say how far it is, so that every step can be
 * repeated after a crash:
 *
 * 1. the whole backup is read and checked, and what is there now is backed up; the agent goes on answering
 * 2. detached (`restoring`, `attachedTo` null): new messages are held at the proxy
 * 3. imported: the gateway unpacks beside the old folder, verifies, and renames; then `restoreBackupId` is null
 * 4. the reconciler attaches the agent and its route becomes live, with the new folder or, when it failed, with the old one
 */
@Injectable()
export class AgentRestore {
  constructor(
    private readonly resources: ResourcesRepository,
    private readonly operations: OperationsRepository,
    private readonly source: RestoreSource,
    private readonly routes: RoutePublisher,
    private readonly runtime: GatewayRuntime,
    private readonly credentials: GatewayCredentials,
    private readonly waker: Waker,
    private readonly steps: StepObserver,
    private readonly clock: Clock,
  ) {}

  /** Of an agent with `restoreBackupId` whose gateway is ready. */
  async continue(agent: AgentRecord, lease: Lease, signal: AbortSignal): Promise<Outcome> {
    let row: BackupRow | undefined;
    try {
      row = await this.source.get(agent.restoreBackupId!);
      return agent.phase === 'restoring'
        ? await this.#replace(agent, row, lease, signal)
        : await this.#prepare(agent, row, lease, signal);
    } catch (error) {
      if (error instanceof LeaseLost || signal.aborted) throw error;
      const failure = toFailure(error);
      if (failure.retryable && !this.#isHeldTooLong(agent)) throw error;
      // Without a folder to go back to, only the backup's own fault is a reason to take another one.
      if (!hasFolder(agent) && !BACKUPS_FAULT.has(failure.code)) throw error;
      return this.#giveUp(agent, row, lease, failure);
    }
  }

  /** Nothing of the agent changes here. */
  async #prepare(agent: AgentRecord, row: BackupRow, lease: Lease, signal: AbortSignal): Promise<Outcome> {
    const operation = await this.resources.asAgent(lease, (tx) => this.operations.findOpen(tx, agent.id));
    if (hasFolder(agent) && operation?.kind !== 'restore') return this.#forgetWish(agent, lease);
    await this.resources.asAgent(lease, (tx) => this.operations.progress(tx, agent.id, 'check'));
    await this.source.check(row, deadline(TRANSFER_LIMIT_MS, signal));
    const first = operation ? await this.source.first(operation.id) : { state: 'none' as const };
    if (first.state === 'failed') throw new FirstBackupFailed(first.why);
    if (first.state === 'under-way') {
      await this.resources.asAgent(lease, (tx) => this.operations.progress(tx, agent.id, 'back-up'));
      return waitFor(WAIT_MS);
    }
    return this.#detach(agent, lease);
  }

  /** Whoever wanted it wanted something else since (a pause, another tier), or has been told that it took too long. */
  async #forgetWish(agent: AgentRecord, lease: Lease): Promise<Outcome> {
    await this.resources.asAgent(lease, (tx) =>
      this.resources.changeAgent(tx, agent, { data: { restoreBackupId: null } }),
    );
    return again;
  }

  async #detach(agent: AgentRecord, lease: Lease): Promise<Outcome> {
    const home = agent.gateway!;
    await this.resources.asAgent(lease, async (tx) => {
      await this.operations.progress(tx, agent.id, 'quiesce');
      const attached = agent.attachedTo !== null;
      if (attached) await this.routes.publish(tx, agent, home, 'held', lease.fence);
      const data = attached
        ? { attachedTo: null, attachedGeneration: await this.resources.bumpConfig(tx, home.id) }
        : {};
      await this.resources.changeAgent(tx, agent, { phase: 'restoring', data });
    });
    await this.routes.announce();
    await this.waker.wake('gateway', home.id);
    return again;
  }

  async #replace(agent: AgentRecord, row: BackupRow, lease: Lease, signal: AbortSignal): Promise<Outcome> {
    const home = agent.gateway!;
    if (home.observedConfig < (agent.attachedGeneration ?? 0n)) {
      await this.waker.wake('gateway', home.id);
      return waitFor(WAIT_MS);
    }
    await this.resources.asAgent(lease, (tx) => this.operations.progress(tx, agent.id, 'import'));
    await this.#import(agent, home, row, deadline(TRANSFER_LIMIT_MS, signal));
    this.steps.reached('agent', agent.phase, 'imported');
    await this.resources.asAgent(lease, async (tx) => {
      const message = `It is what it was in the backup ${row.id} of ${row.createdAt.toISOString()}.`;
      const condition = { type: 'Restored', status: true, reason: 'restored', message };
      await this.resources.changeAgent(tx, agent, { condition, data: { restoreBackupId: null } });
    });
    return again;
  }

  /** When the backup is to blame, that is what is thrown, and not that the gateway got no end of it. */
  async #import(agent: AgentRecord, home: Home, row: BackupRow, signal: AbortSignal): Promise<void> {
    const { stream, whole } = await this.source.open(row, signal);
    const of = row.agentId === agent.id ? undefined : row.agentId;
    try {
      await this.runtime.importAgent(this.#endpoint(home), agent.id, stream, of, signal);
      await whole;
    } catch (error) {
      stream.destroy();
      const cause: unknown = await whole.catch((reason: unknown) => reason);
      throw cause instanceof BackupError ? cause : error;
    }
  }

  #isHeldTooLong(agent: AgentRecord): boolean {
    const since = this.clock.now().getTime() - agent.phaseSince.getTime();
    return agent.phase === 'restoring' && hasFolder(agent) && since > HELD_LIMIT_MS;
  }

  /** An agent with a folder keeps it. One that lost it with its host takes the next older backup, and waits when there is none. */
  async #giveUp(agent: AgentRecord, row: BackupRow | undefined, lease: Lease, failure: Failure): Promise<Outcome> {
    const { code: reason, message } = failure;
    const isCopy = row !== undefined && row.agentId !== agent.id;
    const older = hasFolder(agent) || isCopy || !row ? undefined : await this.source.olderThan(row);
    const keeps = hasFolder(agent) || isCopy;
    await this.resources.asAgent(lease, async (tx) => {
      const condition = { type: 'Restored', status: false, reason, message };
      const stuck = !keeps && !older;
      await this.resources.changeAgent(tx, agent, {
        condition,
        ...(stuck ? { phase: 'failed' as const } : { data: { restoreBackupId: older?.id ?? null } }),
      });
      if (!older) await this.operations.fail(tx, agent.id, reason, message);
    });
    return keeps || older ? again : waitFor(NO_BACKUP_WAIT_MS);
  }

  #endpoint(gateway: Home): GatewayEndpoint {
    const address = gateway.address as unknown as GatewayAddress;
    return { ...address, credential: this.credentials.control(gateway.id) };
  }
}

/** It has been attached where it is: there is something to go back to. */
const hasFolder = (agent: AgentRecord): boolean => agent.attachedGeneration !== null;
