import { CLOSE } from '#libs/contracts';
import { DomainError, toProblem } from '#libs/kernel';
import type { Access, AgentAccess } from './agent-access.js';
import type { LiveConnections } from './live-connections.js';
import type { Farewell, SocketPipe } from './socket-pipe.js';
import type { Site } from './tenancy.js';
import type { Grant } from './token-gate.js';

/** Tells a client over its socket what a request would be told in its answer: an `error` frame, then the close code. */
export function farewellOf(error: unknown): Farewell {
  const { code, detail: message } = toProblem(error);
  const retryAfter = error instanceof DomainError ? error.retryAfter : undefined;
  const frame = { type: 'error', code, message, ...(retryAfter === undefined ? {} : { retryAfter }) };
  return { code: closeCodeOf(error), reason: code, message: JSON.stringify(frame) };
}

function closeCodeOf(error: unknown): number {
  const kind = error instanceof DomainError ? error.kind : 'internal';
  if (kind === 'not-found') return CLOSE.notFound;
  return kind === 'unavailable' || kind === 'internal' ? CLOSE.goingAway : CLOSE.unauthenticated;
}

/**
 * The token behind one socket: of its handshake, or of its latest `connect` frame. Every token passes the same checks as a
 * request's before the gateway sees it, and the socket ends when the token does.
 */
export class SocketAccess {
  #grant: Grant | undefined;
  #forget: (() => void) | undefined;
  #pipe: SocketPipe | undefined;

  constructor(
    private readonly access: AgentAccess,
    private readonly live: LiveConnections,
    private readonly site: Site,
    private readonly opened: Access,
  ) {}

  /** From here on the socket ends with its token. */
  begin(pipe: SocketPipe): void {
    this.#pipe = pipe;
    if (this.opened.grant) this.#use(this.opened.grant);
  }

  end(): void {
    this.#forget?.();
  }

  /** The token to pass on in the `connect` frame; undefined: the client was told why not. */
  readonly onConnect = async (token: string): Promise<string | undefined> => {
    try {
      const admission = await this.access.admitTo(this.opened.agent, this.site, token);
      // A socket is one member's: another member's token would leave the first one's end unnoticed.
      const owner = this.#grant?.claims.sub ?? admission.grant.claims.sub;
      this.access.assertOwner(admission.grant, owner);
      this.#use(admission.grant);
      return admission.token;
    } catch (error) {
      this.#pipe?.end(farewellOf(error));
      return undefined;
    }
  };

  #use(grant: Grant): void {
    this.#forget?.();
    this.#grant = grant;
    this.#forget = this.live.add(grant, (fault) => this.#pipe?.end(farewellOf(fault)));
  }
}
