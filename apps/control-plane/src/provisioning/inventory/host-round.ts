import { Injectable } from '@nestjs/common';
import { ControlPlaneConfig } from '#libs/config';
import { assertLeadership, Database, type Leadership, type Prisma, type Tx } from '#libs/database';
import type { GatewayDriver } from '#libs/drivers/core';
import { Clock } from '#libs/kernel';
import { secretsRootOf } from '../../fleet/host-folders.js';
import { HostDrivers } from '../../fleet/host-drivers.js';
import { type Stray, suspiciousReasons, verdictOn } from './collection-rules.js';
import { isUpgrading, type KnownGateway, STRAY_REASONS, type StrayReason, strays } from './comparison.js';
import { detailOf, type FindingRow, FindingsRepository } from './findings.repository.js';
import { type HostSurvey, idsOn, surveyHost } from './host-survey.js';
import { StrayCollector } from './stray-collector.js';

export type HostRow = Prisma.HostGetPayload<object>;
type Finding = FindingRow & { readonly settled: boolean };

/** Actions of one round on one host; what is left is the next round's. */
const MOST_ACTIONS = 20;

/** What one round on one host came to. */
export interface RoundResult {
  readonly seen: number;
  readonly quarantined: number;
  readonly collected: number;
  /** Strays that nothing is done about until a person confirms. */
  readonly held: number;
}

/** Looks at one host, compares it with the rows, writes down what does not fit, and does what is due about it. */
@Injectable()
export class HostRound {
  constructor(
    private readonly database: Database,
    private readonly drivers: HostDrivers,
    private readonly config: ControlPlaneConfig,
    private readonly findings: FindingsRepository,
    private readonly collector: StrayCollector,
    private readonly clock: Clock,
  ) {}

  async run(host: HostRow, lead: Leadership, signal: AbortSignal): Promise<RoundResult> {
    const driver = await this.drivers.of(host.id, signal);
    // The host first, then the rows: a row is there before anything of it is on a host.
    const survey = await surveyHost(driver, await secretsRootOf(host, this.config), signal);
    const { sightings, findings, suspicious } = await this.database.system(async (tx) => {
      await assertLeadership(tx, lead);
      const rows = await this.#rows(tx, survey);
      const sightings = strays(survey, host.id, rows);
      await this.findings.sighted(tx, host.id, sightings);
      if (!(await isHollow(tx, host.id, survey)))
        await this.findings.closeOthers(tx, host.id, STRAY_REASONS, sightings);
      const suspicious = suspiciousReasons(sightings, survey, (await tx.gateway.count()) === 0);
      await this.#hold(tx, host.id, suspicious);
      return { sightings, suspicious, findings: await this.findings.current(tx, host.id) };
    });
    const done = await this.#act(findings, suspicious, survey, driver, lead, signal);
    return { seen: sightings.length, ...done };
  }

  async #rows(tx: Tx, survey: HostSurvey): Promise<Map<string, KnownGateway>> {
    const rows = await tx.gateway.findMany({
      where: { id: { in: idsOn(survey) } },
      select: { id: true, hostId: true, phase: true, rollback: true, targetImage: true },
    });
    return new Map(rows.map((row) => [row.id, { ...row, upgrading: isUpgrading(row) }]));
  }

  /** Says on each finding whether it waits for a person. */
  async #hold(tx: Tx, hostId: string, suspicious: ReadonlySet<StrayReason>): Promise<void> {
    await tx.$executeRaw`
      UPDATE inventory_findings SET detail = detail || jsonb_build_object('held', reason = ANY(${[...suspicious]}))
      WHERE host_id = ${hostId} AND resolved_at IS NULL
        AND coalesce((detail->>'held')::boolean, false) <> (reason = ANY(${[...suspicious]}))`;
  }

  async #act(
    findings: readonly Finding[],
    suspicious: ReadonlySet<StrayReason>,
    survey: HostSurvey,
    driver: GatewayDriver,
    lead: Leadership,
    signal: AbortSignal,
  ): Promise<Omit<RoundResult, 'seen'>> {
    const running = new Set(survey.gateways.filter((entry) => entry.running).map(({ id }) => id));
    const done = { quarantined: 0, collected: 0, held: 0 };
    for (const finding of findings) {
      signal.throwIfAborted();
      if (done.quarantined + done.collected >= MOST_ACTIONS) break;
      const held = suspicious.has(finding.reason as StrayReason);
      const verdict = this.#verdict(finding, held);
      if (verdict === 'report' && held) done.held += 1;
      // Somebody started it again, or the process died before it had stopped it.
      const awake = finding.state === 'quarantined' && running.has(finding.gatewayId ?? '') && verdict === 'wait';
      if (verdict === 'quarantine' || awake)
        done.quarantined += Number(await this.collector.quarantine(finding, driver, lead, signal));
      if (verdict === 'collect') done.collected += Number(await this.collector.collect(finding, driver, lead, signal));
    }
    return done;
  }

  #verdict(finding: Finding, suspicious: boolean) {
    const { graceSeconds, keepDays } = this.config.provisioning.orphans;
    const patience = { sightings: 3, graceMs: graceSeconds * 1_000, keepMs: keepDays * 86_400_000 };
    return verdictOn(strayOf(finding), suspicious, patience, this.clock.now());
  }
}

function strayOf(finding: Finding): Stray {
  const { quarantinedAt, confirmedBy } = detailOf(finding);
  return {
    reason: finding.reason as StrayReason,
    state: finding.state,
    sightings: finding.sightings,
    firstSeen: finding.firstSeen,
    quarantinedAt: quarantinedAt === undefined ? null : new Date(quarantinedAt),
    settled: finding.settled,
    confirmed: confirmedBy !== undefined,
  };
}

/** The host says that nothing is there though something should run: what it does not show is not therefore gone. */
async function isHollow(tx: Tx, hostId: string, { gateways }: HostSurvey): Promise<boolean> {
  if (gateways.length > 0) return false;
  return (await tx.gateway.count({ where: { hostId, phase: { in: ['ready', 'warm', 'paused'] } } })) > 0;
}
