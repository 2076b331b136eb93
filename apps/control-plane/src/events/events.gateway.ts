import type { IncomingMessage } from 'node:http';
import { Logger, type OnApplicationBootstrap, type OnModuleDestroy } from '@nestjs/common';
import { type OnGatewayConnection, type OnGatewayDisconnect, WebSocketGateway } from '@nestjs/websockets';
import type { WebSocket } from 'ws';
import { DomainError } from '#libs/kernel';
import { ChangeNotifier } from '#libs/queue';
import { SessionsService } from '../identity/sessions.service.js';
import { EventClient } from './event-client.js';
import { EVENT_CLOSE, EVENT_LIMITS } from './event-frames.js';
import { OutboxReader } from './outbox.reader.js';
import { UpgradeAuthenticator } from './upgrade-authenticator.js';

const OUTBOX_CHANNEL = 'outbox';

/**
 * `/v1/admin/events`: consoles hear what happens, from a cursor on. Each client reads the outbox for itself, woken by
 * notices and by a poll; nothing is kept in memory, so a restart costs a client only a reconnect with its cursor.
 */
@WebSocketGateway({ path: '/v1/admin/events' })
export class EventsGateway
  implements OnGatewayConnection, OnGatewayDisconnect, OnApplicationBootstrap, OnModuleDestroy
{
  readonly #log = new Logger('events');
  readonly #clients = new Map<WebSocket, { readonly client: EventClient; readonly request: IncomingMessage }>();
  #timers: NodeJS.Timeout[] = [];
  #unsubscribe: (() => Promise<void>) | undefined;

  constructor(
    private readonly reader: OutboxReader,
    private readonly notifier: ChangeNotifier,
    private readonly authenticator: UpgradeAuthenticator,
    private readonly sessions: SessionsService,
  ) {}

  async onApplicationBootstrap(): Promise<void> {
    const wake = () => this.#pumpAll();
    this.#unsubscribe = await this.notifier.subscribe(OUTBOX_CHANNEL, wake, wake);
    this.#timers = [
      setInterval(wake, EVENT_LIMITS.poll),
      setInterval(() => void this.heartbeat(), EVENT_LIMITS.heartbeat),
      setInterval(() => void this.endRevoked(), EVENT_LIMITS.sessions),
    ];
  }

  /** Before the connections underneath are closed. */
  async onModuleDestroy(): Promise<void> {
    for (const timer of this.#timers) clearInterval(timer);
    await this.#unsubscribe?.();
  }

  handleConnection(socket: WebSocket, request: IncomingMessage): void {
    const principal = this.authenticator.principalOf(request);
    if (!principal) {
      socket.close(EVENT_CLOSE.unauthenticated, 'not signed in');
      return;
    }
    const onError = (err: unknown) => this.#log.warn({ msg: 'events not read; trying again', err });
    const client = new EventClient(socket, principal, this.reader, onError);
    this.#clients.set(socket, { client, request });
    socket.on('message', (data, isBinary) => void client.receive(isBinary ? '' : String(data)));
  }

  handleDisconnect(socket: WebSocket): void {
    this.#clients.delete(socket);
  }

  /** Pings every client, ends the silent ones and those whose access has ended. Never rejects. */
  async heartbeat(): Promise<void> {
    const checks = [...this.#clients.values()].map(({ client, request }) =>
      client.ping() ? this.#checkAccess(client, request) : client.terminate(),
    );
    await Promise.all(checks);
  }

  /** Ends the sockets whose session was ended: one question for all of them. Never rejects. */
  async endRevoked(): Promise<void> {
    const open = [...this.#clients.values()].flatMap(({ client, request }) => {
      const principal = this.authenticator.principalOf(request);
      const sessionId = principal && 'sessionId' in principal ? principal.sessionId : undefined;
      return sessionId === undefined ? [] : [{ client, sessionId }];
    });
    if (open.length === 0) return;
    try {
      const alive = await this.sessions.alive(open.map(({ sessionId }) => sessionId));
      for (const { client, sessionId } of open)
        if (!alive.has(sessionId)) client.end(EVENT_CLOSE.unauthenticated, 'signed out');
    } catch (err) {
      this.#log.warn({ msg: 'sessions of event sockets not checked', err }); // the next look comes soon
    }
  }

  #pumpAll(): void {
    for (const { client } of this.#clients.values()) void client.pump();
  }

  /** A session that ended or a key that was revoked ends its sockets too; a database that is away ends none. */
  async #checkAccess(client: EventClient, request: IncomingMessage): Promise<void> {
    try {
      await this.authenticator.authenticate(request);
    } catch (error) {
      const refused = error instanceof DomainError && (error.kind === 'unauthenticated' || error.kind === 'forbidden');
      if (refused) client.end(EVENT_CLOSE.unauthenticated, 'signed out');
      else this.#log.warn({ msg: 'event socket not checked', err: error });
    }
  }
}
