import { Injectable } from '@nestjs/common';
import type { Tx } from '#libs/database';
import { Clock } from '#libs/kernel';
import { type AssumedTier, CeilingsReader } from '../trust/ceilings.reader.js';
import { differences, type TierContent } from './tier-definition.js';

export interface PlannedAgent {
  readonly id: string;
  readonly memberId: string;
  readonly inService: boolean;
  readonly gatewayId: string | null;
  readonly gatewayKind: string | null;
}

/** What a change of a tier means for those who have it. */
export interface TierPlan {
  readonly changes: readonly (keyof TierContent)[];
  readonly memberIds: readonly string[];
  readonly falls: readonly string[];
  readonly rises: readonly string[];
  /** Get another kind of gateway. */
  readonly moves: readonly PlannedAgent[];
  /** Get a new configuration and route. */
  readonly rerenders: readonly PlannedAgent[];
  /** Dedicated gateways that start again with other resources. How much disk an agent may use is only told to its gateway. */
  readonly restarts: readonly string[];
}

/** Fields that are compiled into gateways' configurations and routes. */
const RENDERED: readonly (keyof TierContent)[] = [
  'trustCeiling',
  'invitedTrustCeiling',
  'placement',
  'channels',
  'limits',
];

/** Looks ahead: reads only, and says what applying the change would do. */
@Injectable()
export class TierPlanner {
  constructor(
    private readonly ceilings: CeilingsReader,
    private readonly clock: Clock,
  ) {}

  async plan(tx: Tx, tenantId: string, key: string, before: TierContent, after: TierContent): Promise<TierPlan> {
    const changes = differences(before, after);
    const members = { tierKey: key };
    const now = this.clock.now();
    const current = await this.ceilings.read(tx, tenantId, members, now);
    const assumed = await this.ceilings.read(tx, tenantId, members, now, assumptionOf(key, before, after));
    const agents = await this.#agents(tx, tenantId, key);
    const moved = (direction: 1 | -1) =>
      current.flatMap(({ memberId, mode }, index) =>
        Math.sign((assumed[index]?.mode ?? mode) - mode) === direction ? [memberId] : [],
      );
    const [ofProcess, ofDisk] = resourceChanges(before, after);
    const rendered = ofDisk || changes.some((change) => RENDERED.includes(change));
    return {
      changes,
      memberIds: current.map(({ memberId }) => memberId),
      falls: moved(-1),
      rises: moved(1),
      moves: changes.includes('placement') ? agents : [],
      rerenders: rendered ? agents.filter((agent) => agent.inService) : [],
      restarts: ofProcess && after.placement === 'dedicated' ? dedicatedOf(agents) : [],
    };
  }

  async #agents(tx: Tx, tenantId: string, tierKey: string): Promise<PlannedAgent[]> {
    const rows = await tx.agent.findMany({
      where: { tenantId, member: { tierKey, status: { not: 'erased' } }, desiredState: { not: 'erased' } },
      select: { id: true, memberId: true, desiredState: true, gatewayId: true, gateway: { select: { kind: true } } },
      orderBy: { id: 'asc' },
    });
    return rows.map((row) => ({
      id: row.id,
      memberId: row.memberId,
      inService: row.desiredState === 'active',
      gatewayId: row.gatewayId,
      gatewayKind: row.gateway?.kind ?? null,
    }));
  }
}

/** Whether what a process gets is another, and whether what an agent may keep is. */
function resourceChanges({ resources: before }: TierContent, { resources: after }: TierContent): [boolean, boolean] {
  const ofProcess = before.cpus !== after.cpus || before.memoryMb !== after.memoryMb || before.pids !== after.pids;
  return [ofProcess, before.diskMb !== after.diskMb];
}

/** A changed placement moves every agent of the tier, which has a say in how far the member may go. */
const assumptionOf = (key: string, before: TierContent, after: TierContent): AssumedTier => ({
  key,
  trustCeiling: after.trustCeiling,
  invitedTrustCeiling: after.invitedTrustCeiling,
  placement: after.placement === before.placement ? undefined : after.placement,
});

const dedicatedOf = (agents: readonly PlannedAgent[]): string[] => [
  ...new Set(
    agents.flatMap(({ gatewayKind, gatewayId }) => (gatewayKind === 'dedicated' && gatewayId ? [gatewayId] : [])),
  ),
];
