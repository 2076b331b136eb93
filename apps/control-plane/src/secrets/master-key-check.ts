import { Injectable } from '@nestjs/common';
import { Database } from '#libs/database';
import { MasterKeys, type WrappedKey } from './master-keys/master-keys.js';

/** Before anything else: every data key can be unwrapped here. A process with the wrong master key does not start. */
@Injectable()
export class MasterKeyCheck {
  constructor(
    private readonly database: Database,
    private readonly masterKeys: MasterKeys,
  ) {}

  /** Throws MasterKeyMissing, which names the key and what to do; or what the Vault said. */
  async run(): Promise<void> {
    const samples = await this.database.raw.$queryRaw<(WrappedKey & { id: string })[]>`
      SELECT DISTINCT ON (master_id) id, master_id AS "masterId", wrapped FROM data_keys ORDER BY master_id, id`;
    for (const sample of samples) (await this.masterKeys.unwrap(sample, `data-key/${sample.id}`)).fill(0);
  }
}
