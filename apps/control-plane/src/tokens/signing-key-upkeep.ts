import { type BeforeApplicationShutdown, Injectable, Logger, type OnApplicationBootstrap } from '@nestjs/common';
import { ControlPlaneConfig } from '#libs/config';
import { SigningKeyRotation } from './signing-key-rotation.js';

/** Keys live for weeks: how often is only a question of how late a removal may be. */
const EVERY_MS = 60_000;

/** Lets time do its part in the keys' life. Every worker asks; the lock lets one of them act. */
@Injectable()
export class SigningKeyUpkeep implements OnApplicationBootstrap, BeforeApplicationShutdown {
  readonly #logger = new Logger('signing-keys');
  #timer: NodeJS.Timeout | undefined;
  #running: Promise<void> = Promise.resolve();

  constructor(
    private readonly rotation: SigningKeyRotation,
    private readonly config: ControlPlaneConfig,
  ) {}

  onApplicationBootstrap(): void {
    if (!this.config.roles.includes('worker')) return;
    const run = () => {
      this.#running = this.#run();
    };
    this.#timer = setInterval(run, EVERY_MS);
    run();
  }

  async beforeApplicationShutdown(): Promise<void> {
    clearInterval(this.#timer);
    await this.#running;
  }

  async #run(): Promise<void> {
    try {
      await this.rotation.maintain();
    } catch (err) {
      this.#logger.warn({ msg: 'signing keys not looked after; tried again in a minute', err });
    }
  }
}
