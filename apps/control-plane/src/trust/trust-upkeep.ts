import { type BeforeApplicationShutdown, Injectable, Logger, type OnApplicationBootstrap } from '@nestjs/common';
import { ControlPlaneConfig } from '#libs/config';
import { Database } from '#libs/database';
import { Clock } from '#libs/kernel';
import { InvitationAcceptance } from './invitation-acceptance.js';
import { LONGEST_WINDOW_MINUTES } from './signal-rules.js';
import { TrustCaps } from './trust-caps.js';

/** Tokens and views know at once that a downgrade is over; gateways and routes this much later. */
const EVERY_MS = 10_000;
/** Members per look; the next look takes the next ones. */
const BATCH = 200;
const RENEW_DAYS_MS = 7 * 86_400_000;

/** Lets time do its part: downgrades end, invitations are renewed or lapse, old signals go. Every worker asks; each row is locked. */
@Injectable()
export class TrustUpkeep implements OnApplicationBootstrap, BeforeApplicationShutdown {
  readonly #logger = new Logger('trust');
  #timer: NodeJS.Timeout | undefined;
  #running: Promise<void> = Promise.resolve();

  constructor(
    private readonly database: Database,
    private readonly caps: TrustCaps,
    private readonly invitations: InvitationAcceptance,
    private readonly config: ControlPlaneConfig,
    private readonly clock: Clock,
  ) {}

  onApplicationBootstrap(): void {
    if (!this.config.roles.includes('worker')) return;
    this.#timer = setInterval(() => {
      this.#running = this.#running.then(() => this.#guarded());
    }, EVERY_MS);
  }

  async beforeApplicationShutdown(): Promise<void> {
    clearInterval(this.#timer);
    await this.#running;
  }

  async run(): Promise<void> {
    const now = this.clock.now();
    const select = { id: true, tenantId: true };
    const over = await this.database.raw.member.findMany({
      where: { trustCapUntil: { lte: now }, status: { not: 'erased' } },
      select,
      take: BATCH,
    });
    for (const { tenantId, id } of over) await this.caps.expire(tenantId, id);
    const ending = await this.database.raw.member.findMany({
      where: { invitedUntil: { lte: new Date(now.getTime() + RENEW_DAYS_MS) }, status: { not: 'erased' } },
      select,
      orderBy: { invitedUntil: 'asc' },
      take: BATCH,
    });
    for (const { tenantId, id } of ending) await this.invitations.review(tenantId, id);
    const old = new Date(now.getTime() - LONGEST_WINDOW_MINUTES * 60_000);
    await this.database.raw.trustSignal.deleteMany({ where: { at: { lt: old } } });
  }

  async #guarded(): Promise<void> {
    try {
      await this.run();
    } catch (err) {
      this.#logger.warn({ msg: 'trust not looked after; tried again in a moment', err });
    }
  }
}
