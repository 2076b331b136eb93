import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Module, type ModuleMetadata, type Type } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { ControlPlaneConfig } from '#libs/config';
import { Database } from '#libs/database';
import { Clock, Ids, ManualClock, SortableIds } from '#libs/kernel';
import { ChangeNotifier, type Coordination, Counters, createCoordination, WakeQueue } from '#libs/queue';
import { createLogger } from '#libs/telemetry';
import { AuditLog } from '../audit/audit-log.js';
import { CoordinationHandle } from '../core.module.js';
import { ApiKeysService } from '../identity/api-keys.service.js';
import { secretsProviders } from '../secrets/secrets.providers.js';
import { createHttpAdapter } from './http-adapter.js';
import { Log } from '../log.js';
import { Outbox } from '../outbox/outbox.js';
import { NestLogger } from './nest-logger.js';

/** A fresh, migrated database: `freshDatabase()` of libs/testing. */
interface TestDatabase {
  readonly url: string;
  query<T extends object>(text: string, values?: unknown[]): Promise<T[]>;
  drop(): Promise<void>;
}

export interface TestApp {
  readonly app: NestFastifyApplication;
  readonly database: TestDatabase;
  readonly clock: ManualClock;
  readonly config: ControlPlaneConfig;
  readonly coordination: Coordination;
  /** Parsed log lines so far. */
  readonly logs: Record<string, unknown>[];
  /** A tenant with one tier, and a key of it. */
  seedTenant(slug: string, scopes?: readonly string[]): Promise<{ tenantId: string; key: string; keyId: string }>;
  /** A member of a tenant with workspace and agent. */
  seedMember(tenantId: string, externalId: string): Promise<{ memberId: string; workspaceId: string; agentId: string }>;
  close(): Promise<void>;
}

/** An application of some modules on a database of its own, dropped with it: for integration tests only. */
export async function startTestApp(
  database: TestDatabase,
  modules: readonly Type[],
  options: {
    readonly controllers?: Type[];
    readonly environment?: Record<string, string>;
    readonly prepare?: (app: NestFastifyApplication) => void;
  } = {},
): Promise<TestApp> {
  const secretsDir = mkdtempSync(join(tmpdir(), 'wirebot-edge-'));
  writeFileSync(join(secretsDir, 'master-key'), randomBytes(32).toString('hex'));
  writeFileSync(join(secretsDir, 'proxy-credential'), 'test-proxy-credential');
  const config = new ControlPlaneConfig({
    DATABASE_URL: database.url,
    WIREBOT_SECRETS_DIR: secretsDir,
    ...options.environment,
  });
  const clock = new ManualClock(new Date());
  const ids = new SortableIds(clock);
  const orm = new Database({ url: database.url, poolSize: 5 });
  const coordination = await createCoordination({ databaseUrl: database.url, onError: () => undefined });
  const logs: Record<string, unknown>[] = [];
  const destination = { write: (line: string) => void logs.push(JSON.parse(line) as Record<string, unknown>) };
  const log = createLogger({ name: 'test', level: 'trace', destination });
  const logger = new NestLogger(log);
  const provided: NonNullable<ModuleMetadata['providers']> = [
    { provide: ControlPlaneConfig, useValue: config },
    { provide: Database, useValue: orm },
    { provide: Clock, useValue: clock },
    { provide: Ids, useValue: ids },
    { provide: CoordinationHandle, useValue: coordination },
    { provide: Counters, useValue: coordination.counters },
    { provide: ChangeNotifier, useValue: coordination.notifier },
    { provide: WakeQueue, useValue: coordination.wakes },
    ...secretsProviders,
    AuditLog,
    Outbox,
    { provide: Log, useValue: log },
  ];
  class Globals {}
  Module({})(Globals);
  class Root {}
  Module({
    imports: [{ module: Globals, global: true, providers: provided, exports: provided }, ...modules],
    controllers: options.controllers ?? [],
  })(Root);

  const app = await NestFactory.create<NestFastifyApplication>(Root, createHttpAdapter(config.trustedProxies), {
    logger,
    abortOnError: false,
  });
  options.prepare?.(app);
  await app.init();
  await app.getHttpAdapter().getInstance().ready();

  return {
    app,
    database,
    clock,
    config,
    coordination,
    logs,
    seedTenant: async (slug, scopes = ['*']) => {
      const tenantId = ids.next('tenant');
      await database.query(
        `INSERT INTO tenants (id, slug, name, brand, updated_at) VALUES ($1, $2, $2, '{"name":"Acme","accent":"#123456","greeting":"Hi"}', now())`,
        [tenantId, slug],
      );
      await database.query(
        `INSERT INTO tiers (id, tenant_id, key, name, rank, trust_ceiling, placement, channels, limits, resources, updated_at)
         VALUES ($1, $2, 'wire', 'Wire', 2, 1, 'shared', ARRAY['web', 'slack'], '{}', '{}', now())`,
        [ids.next('tier'), tenantId],
      );
      const issued = await app.get(ApiKeysService, { strict: false }).issue({ tenantId, name: slug, scopes });
      return { tenantId, key: issued.key, keyId: issued.id };
    },
    seedMember: async (tenantId, externalId) => {
      const [memberId, workspaceId, agentId] = [ids.next('member'), ids.next('workspace'), ids.next('agent')];
      await database.query(
        `INSERT INTO members (id, tenant_id, external_id, email, name, tier_key, time_zone, locale, updated_at)
         VALUES ($1, $2, $3, 'm@example.com', 'Mia', 'wire', 'UTC', 'en', now())`,
        [memberId, tenantId, externalId],
      );
      await database.query(
        `INSERT INTO workspaces (id, tenant_id, member_id, name, updated_at) VALUES ($1, $2, $3, 'Main', now())`,
        [workspaceId, tenantId, memberId],
      );
      await database.query(
        `INSERT INTO workspace_roles (workspace_id, member_id, tenant_id, role) VALUES ($1, $2, $3, 'owner')`,
        [workspaceId, memberId, tenantId],
      );
      await database.query(
        `INSERT INTO agents (id, tenant_id, workspace_id, member_id, desired_kind, phase, updated_at) VALUES ($1, $2, $3, $4, 'shared', 'ready', now())`,
        [agentId, tenantId, workspaceId, memberId],
      );
      return { memberId, workspaceId, agentId };
    },
    close: async () => {
      await app.close();
      await coordination.close();
      await orm.close();
      await database.drop();
      rmSync(secretsDir, { recursive: true });
    },
  };
}
