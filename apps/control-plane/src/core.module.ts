import { Global, Injectable, Module, type OnApplicationShutdown } from '@nestjs/common';
import { ControlPlaneConfig } from '#libs/config';
import { Database } from '#libs/database';
import { Clock, Ids, SortableIds, SystemClock } from '#libs/kernel';
import { ChangeNotifier, type Coordination, Counters, createCoordination, WakeQueue } from '#libs/queue';
import { createLogger } from '#libs/telemetry';
import { AuditLog } from './audit/audit-log.js';
import { Log } from './log.js';
import { Outbox } from './outbox/outbox.js';
import { secretsExports, secretsProviders } from './secrets/secrets.providers.js';

/** The connections behind wakes, notices and counters; an abstract class so that it can be injected. */
export abstract class CoordinationHandle implements Coordination {
  abstract readonly store: Coordination['store'];
  abstract readonly notifier: ChangeNotifier;
  abstract readonly wakes: WakeQueue;
  abstract readonly counters: Counters;
  abstract ping(): Promise<void>;
  abstract close(): Promise<void>;
}

/** Closes what `CoreModule` opened, after everything that uses it has stopped. */
@Injectable()
class Connections implements OnApplicationShutdown {
  constructor(
    private readonly database: Database,
    private readonly coordination: CoordinationHandle,
  ) {}

  async onApplicationShutdown(): Promise<void> {
    await this.coordination.close();
    await this.database.close();
  }
}

const connect = (config: ControlPlaneConfig, log: Log): Promise<Coordination> =>
  createCoordination({
    databaseUrl: config.databaseUrl,
    redisUrl: config.redisUrl,
    namespace: config.instance,
    onError: (err, during) => log.warn({ err, during }, 'coordination failed; it is tried again'),
  });

const fromCoordination = <T>(pick: (handle: CoordinationHandle) => T) => ({
  inject: [CoordinationHandle],
  useFactory: pick,
});

/** What every feature may use: configuration, database, time, ids, coordination, audit and events. */
@Global()
@Module({
  providers: [
    { provide: ControlPlaneConfig, useFactory: () => new ControlPlaneConfig() },
    {
      provide: Log,
      inject: [ControlPlaneConfig],
      useFactory: (config: ControlPlaneConfig) => createLogger({ name: 'control-plane', level: config.logLevel }),
    },
    { provide: Clock, useClass: SystemClock },
    { provide: Ids, inject: [Clock], useFactory: (clock: Clock) => new SortableIds(clock) },
    {
      provide: Database,
      inject: [ControlPlaneConfig],
      useFactory: (config: ControlPlaneConfig) => new Database({ url: config.databaseUrl }),
    },
    { provide: CoordinationHandle, inject: [ControlPlaneConfig, Log], useFactory: connect },
    { provide: ChangeNotifier, ...fromCoordination((handle) => handle.notifier) },
    { provide: WakeQueue, ...fromCoordination((handle) => handle.wakes) },
    { provide: Counters, ...fromCoordination((handle) => handle.counters) },
    ...secretsProviders,
    AuditLog,
    Outbox,
    Connections,
  ],
  exports: [
    ControlPlaneConfig,
    Log,
    Clock,
    Ids,
    Database,
    CoordinationHandle,
    ChangeNotifier,
    WakeQueue,
    Counters,
    ...secretsExports,
    AuditLog,
    Outbox,
  ],
})
export class CoreModule {}
