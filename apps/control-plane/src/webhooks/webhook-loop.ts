import { type BeforeApplicationShutdown, Injectable, type OnApplicationBootstrap } from '@nestjs/common';
import { ControlPlaneConfig } from '#libs/config';
import { Database } from '#libs/database';
import { delay } from '#libs/kernel';
import { ChangeNotifier } from '#libs/queue';
import { Log } from '../log.js';
import { OUTBOX_CHANNEL } from '../outbox/outbox.js';
import { WebhookDispatcher } from './webhook-dispatcher.js';
import { WebhookFanout } from './webhook-fanout.js';

/** Notices can get lost: it looks this often anyway, in milliseconds. */
const LOOK_MS = 1_000;
const PURGE_MS = 3_600_000;
/** The delivery log keeps finished deliveries this long. */
const KEPT_DAYS = 30;

/** Runs fan-out and dispatch in the worker role: at once after a notice, else once a second. */
@Injectable()
export class WebhookLoop implements OnApplicationBootstrap, BeforeApplicationShutdown {
  readonly #stop = new AbortController();
  #look = new AbortController();
  #background: Promise<void> | undefined;
  #purgedAt = 0;

  constructor(
    private readonly config: ControlPlaneConfig,
    private readonly database: Database,
    private readonly notifier: ChangeNotifier,
    private readonly fanout: WebhookFanout,
    private readonly dispatcher: WebhookDispatcher,
    private readonly log: Log,
  ) {}

  async onApplicationBootstrap(): Promise<void> {
    if (!this.config.roles.includes('worker')) return;
    const wake = () => this.#look.abort();
    this.dispatcher.connect(wake);
    await this.notifier.subscribe(OUTBOX_CHANNEL, wake, wake);
    this.#background = this.#run();
  }

  async beforeApplicationShutdown(): Promise<void> {
    this.#stop.abort(new Error('the control plane is stopping'));
    this.#look.abort();
    await this.#background;
    await this.dispatcher.settle();
  }

  async #run(): Promise<void> {
    const { signal } = this.#stop;
    while (!signal.aborted) {
      this.#look = new AbortController();
      try {
        while ((await this.fanout.run()).events > 0 && !signal.aborted);
        await this.dispatcher.run(signal);
        await this.#purge();
      } catch (err) {
        if (!signal.aborted) this.log.warn({ err }, 'webhooks could not be looked at; it goes on');
      }
      await delay(LOOK_MS, AbortSignal.any([signal, this.#look.signal])).catch(() => undefined);
    }
  }

  async #purge(): Promise<void> {
    if (Date.now() - this.#purgedAt < PURGE_MS) return;
    this.#purgedAt = Date.now();
    await this.database.raw.$executeRaw`
      DELETE FROM webhook_deliveries WHERE finished_at < now() - make_interval(days => ${KEPT_DAYS})`;
  }
}
