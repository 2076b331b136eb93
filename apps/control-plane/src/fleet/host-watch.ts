import { Injectable, type OnModuleInit } from '@nestjs/common';
import { ControlPlaneConfig } from '#libs/config';
import { assertLeadership, Database, type Leadership, type Prisma, type Tx } from '#libs/database';
import { Clock, deadline } from '#libs/kernel';
import { Log } from '../log.js';
import type { Duty } from '../provisioning/upkeep/duty.js';
import { Upkeep } from '../provisioning/upkeep/upkeep.js';
import { HostDrivers } from './host-drivers.js';
import { factsOf, type HostFactsRecord } from './host-facts.js';
import { HostStates } from './host-states.js';
import { type HostRow, HostsService } from './hosts.service.js';

/** An answer that takes longer is none, in milliseconds. */
const PING_LIMIT = 4_000;
/** So many answers missing in a row make a host silent: one alone may be a hiccup. */
const MISSES = 2;
/** That a host was seen is written at most this often while nothing changes, in milliseconds. */
const SEEN_EVERY = 15_000;
const ACTOR = 'system:host-watch';

/**
 * Asks every host how it is, side by side, so that one that hangs holds up no other. A host that does not answer becomes
 * silent: nobody waits for it any more (HostLanes), nothing new comes to it. What it says when it answers is kept.
 */
@Injectable()
export class HostWatch implements Duty, OnModuleInit {
  readonly name = 'host-watch';
  readonly everyMs = 3_000;
  readonly #misses = new Map<string, number>();

  constructor(
    private readonly upkeep: Upkeep,
    private readonly database: Database,
    private readonly configured: HostsService,
    private readonly drivers: HostDrivers,
    private readonly states: HostStates,
    private readonly config: ControlPlaneConfig,
    private readonly clock: Clock,
    private readonly log: Log,
  ) {}

  onModuleInit(): void {
    this.upkeep.register(this);
  }

  async run(lead: Leadership, signal: AbortSignal): Promise<void> {
    const hosts = await this.database.system(async (tx) => {
      await this.configured.local(tx);
      return tx.host.findMany({ where: { state: { not: 'removed' } }, orderBy: { id: 'asc' } });
    });
    const results = await Promise.allSettled(hosts.map((host) => this.#look(host, lead, signal)));
    const fault = results.find((result) => result.status === 'rejected');
    if (fault) throw fault.reason as Error;
    await this.#giveUp(lead);
  }

  async #look(host: HostRow, lead: Leadership, signal: AbortSignal): Promise<void> {
    const facts = await this.#ask(host, signal);
    if (signal.aborted) return;
    this.#misses.set(host.id, facts ? 0 : (this.#misses.get(host.id) ?? 0) + 1);
    if (facts) await this.#answered(host, facts, lead);
    else if (this.#misses.get(host.id)! >= MISSES && !host.silentSince) await this.#fellSilent(host, lead);
  }

  async #ask(host: HostRow, signal: AbortSignal): Promise<HostFactsRecord | undefined> {
    const limit = deadline(PING_LIMIT, signal);
    try {
      const driver = await this.drivers.of(host.id, limit);
      return { ...(await this.drivers.facts(host.id, limit)), ...(await driver.usage(limit)) };
    } catch (err) {
      this.log.debug({ err, hostId: host.id }, 'host did not answer');
      return undefined;
    }
  }

  async #answered(host: HostRow, facts: HostFactsRecord, lead: Leadership): Promise<void> {
    const now = this.clock.now();
    const seen = host.lastSeenAt && now.getTime() - host.lastSeenAt.getTime() < SEEN_EVERY;
    const same = factsOf(host.facts)?.hostAddressForGateways === facts.hostAddressForGateways;
    if (seen && same && !host.silentSince && host.state !== 'lost') return;
    await this.#write(lead, host.id, async (tx, held) => {
      const stored = { ...facts } as unknown as Prisma.InputJsonObject;
      await tx.host.update({ where: { id: host.id }, data: { facts: stored, lastSeenAt: now, silentSince: null } });
      if (held.silentSince) await this.states.wakeAll(tx, host.id);
      if (held.silentSince) this.log.info({ hostId: host.id, host: host.name }, 'host answers again');
      if (held.state !== 'lost') return;
      const reason =
        'It was lost and answers again. What is left on it from before is ended first; uncordon it when it may be used again.';
      await this.states.change(tx, held, { state: 'cordoned', reason }, ACTOR);
    });
  }

  async #fellSilent(host: HostRow, lead: Leadership): Promise<void> {
    this.log.warn({ hostId: host.id, host: host.name }, 'host does not answer');
    await this.#write(lead, host.id, async (tx) => {
      await tx.host.update({ where: { id: host.id }, data: { silentSince: host.lastSeenAt ?? this.clock.now() } });
    });
  }

  /** By itself only when somebody has set a time for it, and there is a host where its agents can begin again. */
  async #giveUp(lead: Leadership): Promise<void> {
    const { hostLostAfterMs } = this.config.provisioning;
    if (hostLostAfterMs === undefined) return;
    const before = new Date(this.clock.now().getTime() - hostLostAfterMs);
    const gone = await this.database.once((client) =>
      client.host.findMany({ where: { silentSince: { lt: before }, state: { notIn: ['lost', 'removed'] } } }),
    );
    for (const { id } of gone)
      await this.#write(lead, id, async (tx, held) => {
        const others = await tx.host.count({ where: { id: { not: id }, state: 'active', silentSince: null } });
        if (others === 0 || !held.silentSince || held.silentSince >= before) return;
        const reason = `It has not answered for more than ${hostLostAfterMs / 1_000} s.`;
        await this.states.change(tx, held, { state: 'lost', reason }, ACTOR);
      });
  }

  async #write(lead: Leadership, hostId: string, work: (tx: Tx, held: HostRow) => Promise<void>): Promise<void> {
    await this.database.system(async (tx) => {
      await assertLeadership(tx, lead);
      const held = await this.states.hold(tx, hostId);
      if (held) await work(tx, held);
    });
  }
}
