import { Injectable } from '@nestjs/common';
import type { GatewayLoad } from '#libs/contracts';
import { Database } from '#libs/database';
import type { GatewayDriver, GatewayState, GatewayStats } from '#libs/drivers/core';
import { Clock, deadline } from '#libs/kernel';
import { redactText } from '#libs/telemetry';
import type { Condition } from '../../provisioning/conditions.js';
import { conditionsWithHost } from '../host-condition.js';
import { toFailure } from '../../provisioning/provisioning.errors.js';
import { GatewayNotFound } from '../gateways.errors.js';
import { HostDrivers } from '../host-drivers.js';
import {
  agentsOf,
  type DiagnosedAgent,
  type DiagnosedFinding,
  type DiagnosedGateway,
  findGateway,
  findingsOf,
  type PhaseSpan,
  phasesOf,
} from './gateway-facts.js';
import { type Asked, inWords } from './in-words.js';

/** Longest time for all that the host is asked, in milliseconds. */
const HOST_LIMIT_MS = 8_000;
const LOG_LINES = 60;

export interface GatewayMetricsView {
  readonly id: string;
  readonly at: string;
  readonly phase: string;
  readonly stats: Asked<GatewayStats>;
  /** As the gateway said last. */
  readonly load: (GatewayLoad & { readonly at: string }) | null;
  readonly limits: { readonly cpus: number; readonly memoryBytes: number; readonly pids: number };
}

export interface DiagnosticsView {
  readonly id: string;
  /** What is wrong, in sentences; the worst first. */
  readonly summary: readonly string[];
  readonly row: Readonly<Record<string, string | number | null>>;
  readonly host: { readonly id: string; readonly name: string; readonly state: string };
  readonly conditions: readonly Condition[];
  readonly phases: readonly PhaseSpan[];
  readonly onHost: Asked<GatewayState>;
  readonly metrics: GatewayMetricsView;
  readonly agents: readonly DiagnosedAgent[];
  readonly findings: readonly DiagnosedFinding[];
  /** Without what looks like a secret. */
  readonly log: Asked<readonly string[]>;
}

/** Everything that is known of one gateway, without running anything in it. */
@Injectable()
export class DiagnosticsService {
  constructor(
    private readonly database: Database,
    private readonly drivers: HostDrivers,
    private readonly clock: Clock,
  ) {}

  /** Throws GatewayNotFound. A host that does not answer is part of the answer. */
  async diagnose(id: string, caller: AbortSignal): Promise<DiagnosticsView> {
    const { gateway, phases, agents, findings } = await this.database.system(async (tx) => {
      const found = await findGateway(tx, id);
      if (!found) throw new GatewayNotFound();
      const phases = await phasesOf(tx, found);
      return { gateway: found, phases, agents: await agentsOf(tx, id), findings: await findingsOf(tx, id) };
    });
    const ask = this.#asking(gateway, caller);
    const [onHost, stats, log] = await Promise.all([
      ask<GatewayState>((driver, signal) => driver.inspect(id, signal)),
      ask<GatewayStats>((driver, signal) => driver.stats(id, signal)),
      ask<readonly string[]>(async (driver, signal) => (await driver.logs(id, LOG_LINES, signal)).map(redactText)),
    ]);
    return {
      id,
      summary: inWords({ gateway, state: onHost, agents, findings }, this.clock.now()),
      row: rowOf(gateway),
      host: { id: gateway.host.id, name: gateway.host.name, state: gateway.host.state },
      conditions: conditionsWithHost(gateway),
      phases,
      onHost,
      metrics: this.#metrics(gateway, stats),
      agents,
      findings,
      log,
    };
  }

  /** Throws GatewayNotFound. */
  async metrics(id: string, caller: AbortSignal): Promise<GatewayMetricsView> {
    const gateway = await this.database.system((tx) => findGateway(tx, id));
    if (!gateway) throw new GatewayNotFound();
    const stats = await this.#asking(gateway, caller)<GatewayStats>((driver, signal) => driver.stats(id, signal));
    return this.#metrics(gateway, stats);
  }

  #asking({ hostId }: DiagnosedGateway, caller: AbortSignal) {
    const signal = deadline(HOST_LIMIT_MS, caller);
    return async <T>(work: (driver: GatewayDriver, signal: AbortSignal) => Promise<T>): Promise<Asked<T>> => {
      try {
        return await work(await this.drivers.of(hostId, signal), signal);
      } catch (error) {
        if (signal.aborted) {
          const message = `The host did not answer within ${HOST_LIMIT_MS / 1000} s.`;
          return { problem: { code: 'engine-timeout', message } };
        }
        const { code, message } = toFailure(error);
        return { problem: { code, message } };
      }
    };
  }

  #metrics(gateway: DiagnosedGateway, stats: Asked<GatewayStats>): GatewayMetricsView {
    const { cpus, memoryMb, pids } = gateway.resources as { cpus: number; memoryMb: number; pids: number };
    const load = gateway.load as GatewayLoad | null;
    return {
      id: gateway.id,
      at: this.clock.now().toISOString(),
      phase: gateway.phase,
      stats,
      load: load && gateway.loadAt ? { ...load, at: gateway.loadAt.toISOString() } : null,
      limits: { cpus, memoryBytes: memoryMb * 1024 * 1024, pids },
    };
  }
}

const iso = (date: Date | null): string | null => date?.toISOString() ?? null;

/** The row as far as it helps: no credential is in it. */
const rowOf = (row: DiagnosedGateway): DiagnosticsView['row'] => ({
  tenantId: row.tenantId,
  kind: row.kind,
  runtime: row.runtime,
  image: row.image,
  targetImage: row.targetImage,
  port: row.port,
  pool: row.pool,
  phase: row.phase,
  phaseSince: iso(row.phaseSince),
  desiredState: row.desiredState,
  generation: Number(row.generation),
  observedGeneration: Number(row.observedGeneration),
  configGeneration: Number(row.configGeneration),
  observedConfig: Number(row.observedConfig),
  failures: row.failures,
  leaseOwner: row.leaseOwner,
  leaseUntil: iso(row.leaseUntil),
  fence: Number(row.fence),
  dueAt: iso(row.dueAt),
  awakeUntil: iso(row.awakeUntil),
  idleSince: iso(row.idleSince),
  nextJobAt: iso(row.nextJobAt),
  claimedAt: iso(row.claimedAt),
  quarantinedAt: iso(row.quarantinedAt),
  createdAt: iso(row.createdAt),
});
