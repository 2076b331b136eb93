import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { NestFactory } from '@nestjs/core';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import type { MemberView, OperationView } from '#libs/contracts';
import { GatewayDriver } from '#libs/drivers/core';
import { delay } from '#libs/kernel';
import { freshDatabase, type TestDatabase } from '#libs/testing';
import { AppModule } from '../../app.module.js';
import { useEventSocket } from '../../events/event-socket.adapter.js';
import { createHttpAdapter } from '../../http/http-adapter.js';
import { MembersService } from '../../members/members.service.js';
import { OperationsService } from '../../operations/operations.service.js';
import { TenantsService } from '../../tenants/tenants.service.js';
import { TiersService } from '../../tiers/tiers.service.js';
import { SigningKeysService } from '../../tokens/signing-keys.service.js';

const LIMIT_MS = 30_000;
const BRAND = { name: 'Test', accent: '#3b5bdb', greeting: 'Hello' };

/** The whole control plane in this process, on a database of its own, with one tenant. */
export class ControlPlaneFixture {
  private constructor(
    readonly app: NestFastifyApplication,
    readonly database: TestDatabase,
    readonly tenantId: string,
    private readonly folder: string,
  ) {}

  /** `prepare` sees the application before its routes are there. */
  static async start(
    environment: Record<string, string>,
    prepare?: (app: NestFastifyApplication) => void,
  ): Promise<ControlPlaneFixture> {
    const folder = await mkdtemp(join(tmpdir(), 'wb-cp-'));
    const database = await freshDatabase();
    await mkdir(join(folder, 'secrets'), { mode: 0o700 });
    await writeFile(join(folder, 'secrets', 'master-key'), 'ab'.repeat(32));
    await writeFile(join(folder, 'secrets', 'proxy-credential'), 'proxy-credential-for-tests');
    const common = {
      DATABASE_URL: database.url,
      WIREBOT_DATA_DIR: folder,
      WIREBOT_LOG_LEVEL: 'silent',
      WIREBOT_REQUESTS_PER_MINUTE: '100000',
    };
    Object.assign(process.env, common, { WIREBOT_NODE_NAME: 'test-node' }, environment);
    const app = await NestFactory.create<NestFastifyApplication>(AppModule, createHttpAdapter(), {
      logger: false,
      abortOnError: false,
    });
    useEventSocket(app);
    prepare?.(app);
    await app.get(TiersService).seedTemplates();
    await app.get(SigningKeysService).current();
    const wanted = { slug: 'test', name: 'Test', hosts: [], brand: BRAND, template: 'network' as const, actor: 'test' };
    const tenant = await app.get(TenantsService).create(wanted);
    await app.init();
    return new ControlPlaneFixture(app, database, tenant.id, folder);
  }

  get caller(): { tenantId: string; actor: string } {
    return { tenantId: this.tenantId, actor: 'key:test' };
  }

  /** The provisioning call, followed to its end; undefined when nothing had to change. */
  async put(externalId: string, tier: string): Promise<OperationView | undefined> {
    const wanted = { email: `${externalId}@example.com`, tier };
    const change = await this.app.get(MembersService).put(this.caller, externalId, wanted);
    return change.operation ? this.ended(change.operation.id) : undefined;
  }

  member(externalId: string): Promise<MemberView> {
    return this.app.get(MembersService).get(this.tenantId, externalId);
  }

  async ended(id: string): Promise<OperationView> {
    const end = Date.now() + LIMIT_MS;
    for (;;) {
      const operation = await this.app.get(OperationsService).get(this.tenantId, id);
      if (operation.finishedAt) return operation;
      if (Date.now() > end) throw new Error(`not finished: ${JSON.stringify(operation)}`);
      await delay(20);
    }
  }

  async dispose(): Promise<void> {
    const driver = this.app.get(GatewayDriver);
    const rows = await this.database.query<{ id: string }>('SELECT id FROM gateways');
    await this.app.close();
    await Promise.allSettled(rows.map(({ id }) => driver.remove(id, AbortSignal.timeout(LIMIT_MS))));
    await this.database.drop();
    await rm(this.folder, { recursive: true, force: true });
  }
}
