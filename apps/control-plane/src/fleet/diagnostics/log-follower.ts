import { Injectable } from '@nestjs/common';
import { Database } from '#libs/database';
import { deadline, delay } from '#libs/kernel';
import { redactText } from '#libs/telemetry';
import { GatewayNotFound, TooManyFollowers } from '../gateways.errors.js';
import { HostDrivers } from '../host-drivers.js';
import { newLines } from './new-lines.js';

/** Logs followed at a time by one process. */
export const MOST_FOLLOWERS = 20;
const POLL_MS = 1_000;
const KEEP_ALIVE_MS = 15_000;
/** Whoever follows for longer connects anew. */
const LONGEST_MS = 600_000;
const READ_LIMIT_MS = 10_000;
/** Lines asked for at each look; more than that between two looks is a gap. */
const WINDOW = 500;

/** Null: nothing new, the stream is alive. `gap`: more was written in between than is looked at. */
export type LogEvent = { readonly gap: boolean; readonly lines: readonly string[] } | null;

export interface FollowedLog {
  readonly events: AsyncGenerator<LogEvent, void>;
  /** Aborts when its reader is gone, or has followed for as long as one may. */
  readonly over: AbortSignal;
}

/** Follows what a gateway writes, as long as somebody reads. */
@Injectable()
export class LogFollower {
  #followers = 0;

  constructor(
    private readonly database: Database,
    private readonly drivers: HostDrivers,
  ) {}

  /** Begins with the last `lines` lines. Throws GatewayNotFound, TooManyFollowers or DriverError before the first event. */
  async follow(id: string, lines: number, gone: AbortSignal): Promise<FollowedLog> {
    const hostId = await this.#host(id);
    if (hostId === undefined) throw new GatewayNotFound();
    const over = deadline(LONGEST_MS, gone);
    const release = this.#takePlace(over);
    try {
      const first = await this.#read(id, hostId, Math.max(lines, WINDOW), over);
      return { events: this.#events(id, hostId, first, lines, over), over };
    } catch (error) {
      release();
      throw error;
    }
  }

  /** Before the host is asked, so that many at once are not more than many one by one; free again when it is over. */
  #takePlace(over: AbortSignal): () => void {
    over.throwIfAborted();
    if (this.#followers >= MOST_FOLLOWERS) throw new TooManyFollowers(MOST_FOLLOWERS);
    this.#followers += 1;
    let taken = true;
    const release = (): void => {
      if (taken) this.#followers -= 1;
      taken = false;
    };
    over.addEventListener('abort', release, { once: true });
    return release;
  }

  async *#events(
    id: string,
    hostId: string,
    first: readonly string[],
    lines: number,
    over: AbortSignal,
  ): AsyncGenerator<LogEvent, void> {
    let seen = first;
    yield { gap: false, lines: seen.slice(-lines).map(redactText) };
    let quietSince = Date.now();
    while (!over.aborted) {
      await delay(POLL_MS, over).catch(() => undefined);
      if (over.aborted) return;
      const now = await this.#read(id, hostId, WINDOW, over);
      const { gap, lines: added } = newLines(seen, now);
      seen = now;
      if (added.length > 0) yield { gap, lines: added.map(redactText) };
      else if (Date.now() - quietSince < KEEP_ALIVE_MS) continue;
      else yield null;
      quietSince = Date.now();
      if (added.length === 0 && (await this.#host(id)) === undefined) return;
    }
  }

  async #read(id: string, hostId: string, lines: number, over: AbortSignal): Promise<string[]> {
    const signal = deadline(READ_LIMIT_MS, over);
    return (await this.drivers.of(hostId, signal)).logs(id, lines, signal);
  }

  async #host(id: string): Promise<string | undefined> {
    const row = await this.database.once((client) => client.gateway.findUnique({ where: { id } }));
    return row && row.phase !== 'deleted' ? row.hostId : undefined;
  }
}
