import { Injectable } from '@nestjs/common';
import { assertLeadership, Database, type Leadership, type Tx } from '#libs/database';
import type { GatewayDriver } from '#libs/drivers/core';
import { Clock } from '#libs/kernel';
import { AuditLog } from '../../audit/audit-log.js';
import { isUpgrading, type StrayReason } from './comparison.js';
import { detailOf, type FindingRow, FindingsRepository } from './findings.repository.js';

const STOP_GRACE_SECONDS = 25;
export const INVENTORY_ACTOR = 'system:inventory';

/**
 * Puts strays out of service and takes them away. Right before each, in one transaction, the duty and the rows are looked at
 * again; then the host. It is written down first: a crash in between leaves a finding that says what was going to happen.
 */
@Injectable()
export class StrayCollector {
  constructor(
    private readonly database: Database,
    private readonly findings: FindingsRepository,
    private readonly audit: AuditLog,
    private readonly clock: Clock,
  ) {}

  /** Stops it and keeps all of it. False when it turned out not to be a stray any more. */
  async quarantine(
    finding: FindingRow,
    driver: GatewayDriver,
    lead: Leadership,
    signal: AbortSignal,
  ): Promise<boolean> {
    if (!(await isTheOneSeen(finding, driver, signal))) return false;
    const quarantinedAt = detailOf(finding).quarantinedAt ?? this.clock.now().toISOString();
    const decided = await this.#decided(finding, lead, async (tx, row) => {
      await this.findings.set(tx, row, 'quarantined', { quarantinedAt });
      if (row.state !== 'quarantined') await this.#tell(tx, row, 'finding.quarantine');
    });
    if (decided) await driver.stop(finding.gatewayId!, STOP_GRACE_SECONDS, signal);
    return decided;
  }

  /** Takes it away for good. False when it turned out not to be a stray any more. */
  async collect(finding: FindingRow, driver: GatewayDriver, lead: Leadership, signal: AbortSignal): Promise<boolean> {
    if (!(await isTheOneSeen(finding, driver, signal))) return false;
    const decided = await this.#decided(finding, lead, (tx, row) => this.#tell(tx, row, 'finding.collect'));
    if (!decided) return false;
    await takeAway(finding, driver, signal);
    return this.#decided(finding, lead, (tx, row) => this.findings.set(tx, row, 'repaired'));
  }

  /** Runs `work` while the finding is current, the duty is ours and the rows still do not explain what was found. */
  async #decided(
    finding: FindingRow,
    lead: Leadership,
    work: (tx: Tx, row: FindingRow) => Promise<void>,
  ): Promise<boolean> {
    return this.database.system(async (tx) => {
      await assertLeadership(tx, lead);
      const row = await this.findings.locked(tx, finding.id);
      if (!row || !(await isStray(tx, row))) return false;
      await work(tx, row);
      return true;
    });
  }

  async #tell(tx: Tx, row: FindingRow, action: string): Promise<void> {
    const { hostId, kind, name, reason } = row;
    const line = { actor: INVENTORY_ACTOR, action, resource: 'finding', resourceId: row.id };
    await this.audit.record(tx, { ...line, tenantId: null, data: { hostId, kind, name, reason } });
  }
}

/** What the rows say in this transaction, and go on to say until it ends. */
async function isStray(tx: Tx, { gatewayId, reason }: FindingRow): Promise<boolean> {
  await tx.$queryRaw`SELECT 1 FROM gateways WHERE id = ${gatewayId} FOR SHARE`;
  const row = await tx.gateway.findUnique({ where: { id: gatewayId! } });
  switch (reason as StrayReason) {
    case 'unknown-gateway':
    case 'orphan-folder':
      return row === null;
    case 'leftover-gateway':
    case 'leftover-folder':
      return row?.phase === 'deleted';
    case 'orphan-secrets':
      return row === null || row.phase === 'deleted';
    case 'kept-copy-left':
      return row !== null && row.phase !== 'deleted' && !isUpgrading(row);
    case 'gateway-on-other-host':
      return false;
  }
}

/** The host may have changed since it was read: folders of what runs belong to that, another generation is another thing. */
async function isTheOneSeen(finding: FindingRow, driver: GatewayDriver, signal: AbortSignal): Promise<boolean> {
  if (finding.reason === 'kept-copy-left') return true;
  const state = await driver.inspect(finding.gatewayId!, signal);
  if (finding.kind !== 'container') return state.status === 'absent';
  return state.status !== 'absent' && state.generation === detailOf(finding).generation;
}

async function takeAway({ kind, name, gatewayId, reason }: FindingRow, driver: GatewayDriver, signal: AbortSignal) {
  const id = gatewayId!;
  if (kind === 'container' || kind === 'secrets') return driver.remove(id, signal);
  if (reason === 'kept-copy-left') return driver.dropState(id, name.slice(id.length + 1), signal);
  return driver.destroyState(id, signal);
}
