import { type BeforeApplicationShutdown, Injectable, type OnApplicationBootstrap } from '@nestjs/common';
import { ControlPlaneConfig } from '#libs/config';
import { Log } from '../../log.js';
import { DataKeyRotation } from './data-key-rotation.js';

const EVERY_MS = 3_600_000;

/**
 * Finishes what a rotation began: values that a process still sealed under a retired key, and in the end the key itself.
 * Costs a few small queries an hour when there is nothing to do.
 */
@Injectable()
export class RetiredKeys implements OnApplicationBootstrap, BeforeApplicationShutdown {
  readonly #stop = new AbortController();
  #timer: NodeJS.Timeout | undefined;
  #running: Promise<void> = Promise.resolve();

  constructor(
    private readonly config: ControlPlaneConfig,
    private readonly rotation: DataKeyRotation,
    private readonly log: Log,
  ) {}

  onApplicationBootstrap(): void {
    if (!this.config.roles.includes('worker')) return;
    this.#timer = setInterval(() => {
      this.#running = this.#sweep();
    }, EVERY_MS).unref();
  }

  async beforeApplicationShutdown(): Promise<void> {
    clearInterval(this.#timer);
    this.#stop.abort(new Error('the control plane is stopping'));
    await this.#running;
  }

  async #sweep(): Promise<void> {
    try {
      const { resealed, unreadable } = await this.rotation.reseal(this.#stop.signal);
      const deleted = await this.rotation.deleteUnused();
      if (resealed + unreadable + deleted > 0)
        this.log.info({ resealed, unreadable, deleted }, 'retired data keys swept');
    } catch (err) {
      if (!this.#stop.signal.aborted)
        this.log.warn({ err }, 'retired data keys were not swept; tried again in an hour');
    }
  }
}
