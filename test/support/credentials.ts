import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Database } from '#libs/database';
import { SortableIds, SystemClock } from '#libs/kernel';
import { DataKeys } from '../../apps/control-plane/src/secrets/data-keys.js';
import { Envelope } from '../../apps/control-plane/src/secrets/envelope.js';
import { GatewayCredentials as Derived } from '../../apps/control-plane/src/secrets/gateway-credentials.js';
import { FileSource } from '../../apps/control-plane/src/secrets/master-keys/file.source.js';
import { MasterKeyRing } from '../../apps/control-plane/src/secrets/master-keys/master-keys.js';
import { PlatformRoot } from '../../apps/control-plane/src/secrets/platform-root.js';

/** What a gateway and its agent hold, derived as the running stack's control plane does it, so that tests can look for leaks. */
export class GatewayCredentials {
  private constructor(private readonly derived: Derived) {}

  static async of(dataDir: string): Promise<GatewayCredentials> {
    const environment = JSON.parse(await readFile(join(dataDir, 'environment.json'), 'utf8')) as {
      DATABASE_URL: string;
    };
    const database = new Database({ url: environment.DATABASE_URL, poolSize: 1 });
    const clock = new SystemClock();
    const masterKeys = new MasterKeyRing(new FileSource(join(dataDir, 'secrets')));
    const ids = new SortableIds(clock);
    const envelope = new Envelope(new DataKeys(database, masterKeys, ids, clock));
    try {
      return new GatewayCredentials(
        new Derived(await new PlatformRoot(database, envelope, masterKeys, ids, clock).load()),
      );
    } finally {
      await database.close();
    }
  }

  all(gatewayId: string, agentId: string): string[] {
    const random = (credential: string): string => credential.split('_').at(-1)!;
    return [this.derived.control(gatewayId), this.derived.broker(agentId)].map(random);
  }
}
