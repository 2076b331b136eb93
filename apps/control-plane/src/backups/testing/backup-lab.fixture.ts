import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import type { OperationView } from '#libs/contracts';
import { delay } from '#libs/kernel';
import { ApiKeysService } from '../../identity/api-keys.service.js';
import { ControlPlaneFixture } from '../../provisioning/testing/control-plane.fixture.js';
import type { BackupView } from '../backup-view.js';

const BUNDLE = resolve(import.meta.dirname, '../../../../../dist/gateway/gateway.mjs');
const LIMIT_MS = 45_000;

export interface Answer<T> {
  readonly status: number;
  readonly body: T;
  readonly raw: Buffer;
  readonly headers: Readonly<Record<string, unknown>>;
}

/** A control plane with real gateways whose agents' folders a test can look into. */
export class BackupLab {
  private constructor(
    readonly plane: ControlPlaneFixture,
    readonly key: string,
    readonly operatorKey: string,
  ) {}

  static async start(
    environment: Record<string, string>,
    prepare?: (app: NestFastifyApplication) => void,
  ): Promise<BackupLab> {
    const common = {
      WIREBOT_DRIVER: 'process',
      WIREBOT_GATEWAY_IMAGE: BUNDLE,
      WIREBOT_BACKUP_KEEP_FREE_MB: '0',
      WIREBOT_BACKUP_STORE: 'local',
    };
    const plane = await ControlPlaneFixture.start({ ...common, ...environment }, prepare);
    await plane.app.getHttpAdapter().getInstance().ready();
    const keys = plane.app.get(ApiKeysService);
    const { key } = await keys.issue({ tenantId: plane.tenantId, name: 'k', scopes: ['*'] });
    const operator = await keys.issue({ tenantId: null, name: 'o', scopes: ['*'] });
    return new BackupLab(plane, key, operator.key);
  }

  async call<T = Record<string, never>>(
    method: string,
    url: string,
    payload?: object,
    key = this.key,
  ): Promise<Answer<T>> {
    const headers = { authorization: `Bearer ${key}` };
    const wanted = { method: method as 'GET', url, headers, ...(payload ? { payload } : {}) };
    const { statusCode: status, rawPayload: raw, headers: answered } = await this.plane.app.inject(wanted);
    const json = String(answered['content-type']).includes('json');
    return { status, raw, headers: answered, body: (json ? JSON.parse(String(raw)) : undefined) as T };
  }

  async agentOf(
    externalId: string,
  ): Promise<{ id: string; gatewayId: string; phase: string; restoreBackupId: string | null }> {
    const [row] = await this.plane.database.query<{
      id: string;
      gatewayId: string;
      phase: string;
      restoreBackupId: string | null;
    }>(
      `SELECT a.id, a.gateway_id AS "gatewayId", a.phase, a.restore_backup_id AS "restoreBackupId"
       FROM agents a JOIN members m ON m.id = a.member_id WHERE m.external_id = $1`,
      [externalId],
    );
    return row!;
  }

  /** Where the agent's folder is now. */
  async folderOf(externalId: string): Promise<string> {
    const { id, gatewayId } = await this.agentOf(externalId);
    const root = process.env['WIREBOT_DATA_DIR']!;
    const found = (await readdir(root, { recursive: true, withFileTypes: true })).find(
      (entry) =>
        entry.isDirectory() &&
        entry.name === 'agents' &&
        entry.parentPath.includes(gatewayId) &&
        !entry.parentPath.includes('secrets'),
    );
    if (!found) throw new Error(`no state of ${gatewayId} below ${root}`);
    return join(found.parentPath, found.name, id);
  }

  async write(externalId: string, path: string, data: string | Uint8Array): Promise<void> {
    const file = join(await this.folderOf(externalId), path);
    await mkdir(dirname(file), { recursive: true });
    await writeFile(file, data);
  }

  /** Undefined: there is none. */
  async read(externalId: string, path: string): Promise<Buffer | undefined> {
    return readFile(join(await this.folderOf(externalId), path)).catch(() => undefined);
  }

  /** Asks for a backup and follows it to its end. */
  async backUp(externalId: string): Promise<BackupView> {
    const asked = await this.call<BackupView>('POST', `/v1/members/${externalId}/backups`, {});
    if (asked.status !== 202) throw new Error(`${asked.status} ${String(asked.raw)}`);
    return this.backupEnded(externalId, asked.body.id);
  }

  async backupEnded(externalId: string, id: string): Promise<BackupView> {
    return this.until(async () => {
      const { body } = await this.call<BackupView>('GET', `/v1/members/${externalId}/backups/${id}`);
      return body.finishedAt ? body : undefined;
    });
  }

  async restore(externalId: string, id: string, wish: object = {}): Promise<OperationView> {
    const url = `/v1/members/${externalId}/backups/${id}/restore`;
    const { status, body, raw } = await this.call<{ operation: OperationView }>('POST', url, wish);
    if (status !== 202) throw new Error(`${status} ${String(raw)}`);
    return this.plane.ended(body.operation.id);
  }

  /** Every object of the local store, by its key. */
  async objects(): Promise<string[]> {
    const root = join(process.env['WIREBOT_DATA_DIR']!, 'backups');
    const entries = await readdir(root, { recursive: true, withFileTypes: true }).catch(() => []);
    const files = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
    return files.map((file) => file.slice(root.length + 1)).toSorted();
  }

  objectPath(key: string): string {
    return join(process.env['WIREBOT_DATA_DIR']!, 'backups', key);
  }

  async until<T>(look: () => Promise<T | undefined>): Promise<T> {
    const end = Date.now() + LIMIT_MS;
    for (;;) {
      const found = await look();
      if (found !== undefined) return found;
      if (Date.now() > end) throw new Error('it did not come to pass in time');
      await delay(25);
    }
  }
}
