import { Injectable } from '@nestjs/common';
import { ControlPlaneConfig } from '#libs/config';
import type { MemberStatus, MemberView, OperationView } from '#libs/contracts';
import { Database, type Tx } from '#libs/database';
import { Clock, Ids } from '#libs/kernel';
import { assertIfMatch } from '../http/etag.js';
import { AuditLog } from '../audit/audit-log.js';
import type { OperationKind } from '../operations/operation-steps.js';
import { OperationsRepository, toOperationView } from '../operations/operations.repository.js';
import { Outbox } from '../outbox/outbox.js';
import { CeilingChanges } from '../trust/ceiling-changes.js';
import { assertTenantOpen } from '../tenants/tenant-guard.js';
import type { PutMemberDto } from './dto/put-member.dto.js';
import { ExternalIdInvalid, MemberNotFound, MemberStateForbids, TierRetired, TierUnknown } from './members.errors.js';
import {
  type MemberFilter,
  type MemberRecord,
  MembersRepository,
  memberEtag,
  type TierRow,
  toMemberView,
} from './members.repository.js';

export interface Caller {
  readonly tenantId: string;
  /** For the audit log: `key:<id>` or `user:<id>`. */
  readonly actor: string;
  readonly requestId?: string | undefined;
}

export interface MemberChange {
  readonly member: MemberView;
  /** Null: nothing changed. */
  readonly operation: OperationView | null;
}

export type MemberAction = 'pause' | 'resume' | 'cancel' | 'erase';

const ACTIONS: Record<
  MemberAction,
  { from: readonly MemberStatus[]; to: MemberStatus; desired: 'active' | 'inactive' | 'erased'; past: string }
> = {
  pause: { from: ['active', 'paused'], to: 'paused', desired: 'inactive', past: 'paused' },
  resume: { from: ['active', 'paused', 'cancelled'], to: 'active', desired: 'active', past: 'resumed' },
  cancel: { from: ['active', 'paused', 'cancelled'], to: 'cancelled', desired: 'inactive', past: 'cancelled' },
  erase: { from: ['active', 'paused', 'cancelled'], to: 'erased', desired: 'erased', past: 'erased' },
};

const offeredKeys = (tiers: readonly TierRow[]): string[] =>
  tiers.filter((row) => row.retiredAt === null).map((row) => row.key);

const EXTERNAL_ID = /^[\w.:@+-]{1,128}$/;

/**
 * The provisioning call. One transaction writes everything that is wanted (member, workspace, subscription, agent,
 * operation, audit line, events); the reconciler makes it true. A crash after the commit loses nothing but a wake.
 */
@Injectable()
export class MembersService {
  constructor(
    private readonly database: Database,
    private readonly members: MembersRepository,
    private readonly operations: OperationsRepository,
    private readonly audit: AuditLog,
    private readonly outbox: Outbox,
    private readonly ceilings: CeilingChanges,
    private readonly config: ControlPlaneConfig,
    private readonly ids: Ids,
    private readonly clock: Clock,
  ) {}

  async put(caller: Caller, externalId: string, wanted: PutMemberDto, ifMatch?: string): Promise<MemberChange> {
    if (!EXTERNAL_ID.test(externalId) || externalId.startsWith('erased:')) throw new ExternalIdInvalid();
    const change = await this.database.tenant(caller.tenantId, async (tx) => {
      await this.members.lock(tx, caller.tenantId, externalId);
      await assertTenantOpen(tx, caller.tenantId);
      const tiers = await this.members.tiers(tx, caller.tenantId);
      const tier = tiers.find((row) => row.key === wanted.tier);
      if (!tier) throw new TierUnknown(tiers.map((row) => row.key));
      const before = await this.members.find(tx, caller.tenantId, externalId);
      if (before?.agents[0]?.desiredState === 'erased') throw new MemberStateForbids('changed', 'being erased');
      assertIfMatch(
        ifMatch,
        before ? memberEtag(toMemberView(before, tiers, this.config.proxyUrl, this.clock.now())) : '',
      );
      if (tier.retiredAt && before?.tierKey !== tier.key) throw new TierRetired(offeredKeys(tiers));
      const { kind, fell } = before
        ? await this.#update(tx, caller, before, wanted, tier)
        : { kind: await this.#create(tx, caller, externalId, wanted, tier), fell: 0 };
      return { ...(await this.#conclude(tx, caller, externalId, tiers, before, kind)), fell };
    });
    return this.#afterCommit(change);
  }

  async act(caller: Caller, externalId: string, action: MemberAction): Promise<MemberChange> {
    const rule = ACTIONS[action];
    const change = await this.database.tenant(caller.tenantId, async (tx) => {
      await this.members.lock(tx, caller.tenantId, externalId);
      const member = await this.members.find(tx, caller.tenantId, externalId);
      if (!member) throw new MemberNotFound();
      if (!rule.from.includes(member.status as MemberStatus)) throw new MemberStateForbids(rule.past, member.status);
      const agent = member.agents[0]!;
      if (agent.desiredState === 'erased' && action !== 'erase')
        throw new MemberStateForbids(rule.past, 'being erased');
      if (action === 'resume') await assertTenantOpen(tx, caller.tenantId);
      const done = agent.desiredState === rule.desired && (member.status === rule.to || action === 'erase');
      if (!done) {
        // Only when the agent's folder is really gone does the member become `erased`: until then it is a wish.
        const status = action === 'erase' ? member.status : rule.to;
        await tx.member.update({ where: { id: member.id }, data: { status } });
        const subscription = action === 'resume' ? 'active' : action === 'pause' ? 'paused' : 'cancelled';
        await tx.subscription.updateMany({ where: { memberId: member.id }, data: { status: subscription } });
        const data = { desiredState: rule.desired, generation: { increment: 1n }, dueAt: this.clock.now() };
        await tx.agent.update({ where: { id: agent.id }, data });
      }
      const tiers = await this.members.tiers(tx, caller.tenantId);
      const change = await this.#conclude(tx, caller, externalId, tiers, member, done ? undefined : action);
      return { ...change, fell: 0 };
    });
    return this.#afterCommit(change);
  }

  async get(tenantId: string, externalId: string): Promise<MemberView> {
    return this.database.tenant(tenantId, async (tx) => {
      const member = await this.members.find(tx, tenantId, externalId);
      if (!member) throw new MemberNotFound();
      return toMemberView(member, await this.members.tiers(tx, tenantId), this.config.proxyUrl, this.clock.now());
    });
  }

  async list(tenantId: string, filter: MemberFilter): Promise<MemberView[]> {
    return this.database.tenant(tenantId, async (tx) => {
      const tiers = await this.members.tiers(tx, tenantId);
      const rows = await this.members.list(tx, tenantId, filter);
      return rows.map((row) => toMemberView(row, tiers, this.config.proxyUrl, this.clock.now()));
    });
  }

  async #create(
    tx: Tx,
    caller: Caller,
    externalId: string,
    wanted: PutMemberDto,
    tier: TierRow,
  ): Promise<OperationKind> {
    const { tenantId } = caller;
    const tenant = await tx.tenant.findUniqueOrThrow({ where: { id: tenantId } });
    const [memberId, workspaceId] = [this.ids.next('member'), this.ids.next('workspace')];
    await tx.member.create({
      data: {
        id: memberId,
        tenantId,
        externalId,
        email: wanted.email,
        name: wanted.name ?? null,
        tierKey: tier.key,
        timeZone: wanted.timeZone ?? tenant.timeZone,
        locale: wanted.locale ?? tenant.locale,
      },
    });
    const name = wanted.workspace?.name ?? wanted.name ?? wanted.email;
    await tx.workspace.create({
      data: { id: workspaceId, tenantId, memberId, name, stage: wanted.workspace?.stage ?? 'idea' },
    });
    await tx.workspaceRole.create({ data: { workspaceId, memberId, tenantId, role: 'owner' } });
    await tx.subscription.create({
      data: { id: this.ids.next('subscription'), tenantId, memberId, tierKey: tier.key },
    });
    await tx.agent.create({
      data: {
        id: this.ids.next('agent'),
        tenantId,
        workspaceId,
        memberId,
        desiredKind: tier.placement,
        dueAt: this.clock.now(),
      },
    });
    return 'provision';
  }

  /** Returns what kind of change it is, or undefined when everything is as wanted already. */
  async #update(
    tx: Tx,
    caller: Caller,
    before: MemberRecord,
    wanted: PutMemberDto,
    tier: TierRow,
  ): Promise<{ readonly kind: OperationKind | undefined; readonly fell: number }> {
    const agent = before.agents[0]!;
    const workspace = await tx.workspace.findUniqueOrThrow({ where: { id: agent.workspaceId } });
    const member = {
      email: wanted.email,
      name: wanted.name ?? before.name,
      tierKey: tier.key,
      timeZone: wanted.timeZone ?? before.timeZone,
      locale: wanted.locale ?? before.locale,
      // A purchase brings a cancelled member back; a pause is only ended by resume.
      status: before.status === 'cancelled' ? 'active' : before.status,
    };
    const context = {
      name: wanted.workspace?.name ?? workspace.name,
      stage: wanted.workspace?.stage ?? workspace.stage,
    };
    const changed =
      Object.entries(member).some(([key, value]) => before[key as keyof typeof member] !== value) ||
      context.name !== workspace.name ||
      context.stage !== workspace.stage;
    const stuck = agent.phase === 'failed' && before.status === 'active';
    if (!changed && !stuck) return { kind: undefined, fell: 0 };
    const { tenantId, actor } = caller;
    const ceilings = before.tierKey === tier.key ? [] : await this.ceilings.before(tx, tenantId, { ids: [before.id] });
    await tx.member.update({ where: { id: before.id }, data: member });
    await tx.workspace.update({ where: { id: workspace.id }, data: context });
    await tx.subscription.updateMany({
      where: { memberId: before.id },
      data: { tierKey: tier.key, ...(member.status === 'active' ? { status: 'active' } : {}) },
    });
    const desired = member.status === 'active' ? { desiredState: 'active' } : {};
    const data = {
      ...desired,
      desiredKind: tier.placement,
      generation: { increment: 1n },
      dueAt: this.clock.now(),
      failures: 0,
    };
    await tx.agent.update({ where: { id: agent.id }, data });
    const detail = { from: before.tierKey, tier: tier.key };
    const { fell } = await this.ceilings.settle(tx, tenantId, ceilings, {
      reason: 'tier-changed',
      actor,
      detail,
      keepsTokens: true,
    });
    if (before.status === 'cancelled') return { kind: 'resume', fell };
    return { kind: before.tierKey === tier.key ? (stuck ? 'provision' : 'update') : 'change-tier', fell };
  }

  async #conclude(
    tx: Tx,
    caller: Caller,
    externalId: string,
    tiers: readonly TierRow[],
    before: MemberRecord | undefined,
    kind: OperationKind | undefined,
  ): Promise<MemberChange & { agentId: string }> {
    const after = (await this.members.find(tx, caller.tenantId, externalId))!;
    const agent = after.agents[0]!;
    const member = toMemberView(after, tiers, this.config.proxyUrl, this.clock.now());
    if (!kind) {
      const open = await this.operations.findOpen(tx, agent.id);
      return { member, operation: open ? toOperationView(open) : null, agentId: agent.id };
    }
    const moves = Boolean(agent.gateway && agent.gateway.kind !== agent.desiredKind);
    const operation = await this.operations.open(tx, {
      tenantId: caller.tenantId,
      memberId: after.id,
      agentId: agent.id,
      kind,
      moves,
      generation: agent.generation,
      deadlineSeconds: this.config.operationDeadlineSeconds,
    });
    const data = { kind, tier: after.tierKey, before: before ? { tier: before.tierKey, status: before.status } : null };
    const line = { resource: 'member', resourceId: after.id, action: `member.${kind}`, data };
    await this.audit.record(tx, { ...caller, ...line });
    await this.outbox.append(tx, {
      tenantId: caller.tenantId,
      topic: 'members',
      aggregateId: after.id,
      type: kind,
      data,
    });
    return { member, operation: toOperationView(operation), agentId: agent.id };
  }

  /** Where the ceiling fell, older tokens have ended: proxies are told too. */
  async #afterCommit(change: MemberChange & { agentId: string; fell: number }): Promise<MemberChange> {
    if (change.operation) await this.ceilings.announce({ fell: change.fell, agentIds: [change.agentId] });
    return { member: change.member, operation: change.operation };
  }
}
