import { Injectable } from '@nestjs/common';
import { WakeQueue, type Wake, type WakeKind } from '#libs/queue';

/**
 * Asks for a look at a row soon. Within the process that reconciles it is a function call; elsewhere it goes through the
 * queue. Losing a wake costs a second: the row is marked due in the database first.
 */
@Injectable()
export class Waker {
  #local: ((wake: Wake) => void) | undefined;

  constructor(private readonly queue: WakeQueue) {}

  /** Makes this process the one that is called directly, until the returned function is called. */
  connect(handler: (wake: Wake) => void): () => void {
    this.#local = handler;
    return () => {
      this.#local = undefined;
    };
  }

  async wake(kind: WakeKind, id: string): Promise<void> {
    if (this.#local) this.#local({ kind, id });
    else await this.queue.wake(kind, id);
  }
}
