import type { IncomingMessage } from 'node:http';
import { type INestApplication, Logger } from '@nestjs/common';
import { WsAdapter } from '@nestjs/platform-ws';
import { PROBLEM_TYPE, problemOf } from '../http/problem.js';
import { EVENT_LIMITS } from './event-frames.js';
import { UpgradeAuthenticator } from './upgrade-authenticator.js';

type Answer = (accepted: boolean, status?: number, body?: string, headers?: Record<string, string>) => void;

/** Nest's adapter for ws, which lets nobody in before the operator is known: refusals are problems with their status. */
class EventSocketAdapter extends WsAdapter {
  readonly #log = new Logger('events');

  constructor(private readonly app: INestApplication) {
    super(app);
  }

  override create(port: number, options: Record<string, unknown> & { path?: string }) {
    const authenticator = this.app.get(UpgradeAuthenticator, { strict: false });
    const verifyClient = ({ req }: { req: IncomingMessage }, answer: Answer): void => {
      authenticator.authenticate(req).then(
        () => answer(true),
        (error: unknown) => this.#refuse(error, answer),
      );
    };
    return super.create(port, { ...options, maxPayload: EVENT_LIMITS.frame, verifyClient } as never) as unknown;
  }

  #refuse(error: unknown, answer: Answer): void {
    const problem = problemOf(error);
    if (problem.status >= 500) this.#log.error({ msg: 'event socket not opened', err: error });
    answer(false, problem.status, JSON.stringify(problem), { 'Content-Type': PROBLEM_TYPE });
  }
}

/** Call before `app.init()`. */
export function useEventSocket(app: INestApplication): void {
  app.useWebSocketAdapter(new EventSocketAdapter(app));
}
