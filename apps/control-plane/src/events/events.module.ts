import { Module } from '@nestjs/common';
import { IdentityModule } from '../identity/identity.module.js';
import { EventsGateway } from './events.gateway.js';
import { OutboxReader } from './outbox.reader.js';
import { UpgradeAuthenticator } from './upgrade-authenticator.js';

/**
 * The event socket of consoles.
 *
 * app.module.ts must provide globally: Database, ChangeNotifier (of the Coordination), and what IdentityModule needs.
 * main.ts must call `useEventSocket(app)` before `app.init()`: it authenticates upgrades.
 * Whoever appends to the outbox publishes on the notifier's channel `outbox` after the commit.
 */
@Module({ imports: [IdentityModule], providers: [EventsGateway, OutboxReader, UpgradeAuthenticator] })
export class EventsModule {}
