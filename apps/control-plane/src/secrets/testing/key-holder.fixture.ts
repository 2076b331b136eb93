import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Database } from '#libs/database';
import { ManualClock, SortableIds } from '#libs/kernel';
import { DataKeys } from '../data-keys.js';
import { Envelope } from '../envelope.js';
import { EnvironmentSource } from '../master-keys/environment.source.js';
import { FileSource } from '../master-keys/file.source.js';
import { MasterKeyRing, type MasterKeySource } from '../master-keys/master-keys.js';
import { MasterKeyCheck } from '../master-key-check.js';
import { PlatformRoot } from '../platform-root.js';
import { SecretBox } from '../secret-box.js';
import { Vault } from '../vault.js';

/** A secrets directory with a master key. */
export function secretsDirectory(masterKey: Buffer): string {
  const directory = mkdtempSync(join(tmpdir(), 'wirebot-secrets-'));
  writeFileSync(join(directory, 'master-key'), masterKey.toString('hex'), { mode: 0o600 });
  return directory;
}

/** One control plane process as far as secrets go: its own connections, caches and idea of the master key. */
export class KeyHolder {
  readonly database: Database;
  readonly clock = new ManualClock(new Date());
  readonly masterKeys: MasterKeyRing;
  readonly dataKeys: DataKeys;
  readonly envelope: Envelope;
  readonly root: PlatformRoot;
  readonly check: MasterKeyCheck;
  readonly vault: Vault;

  constructor(url: string, source: MasterKeySource | Buffer | string, ...others: MasterKeySource[]) {
    const ids = new SortableIds(this.clock);
    this.database = new Database({ url, poolSize: 3 });
    this.masterKeys = new MasterKeyRing(sourceOf(source), ...others);
    this.dataKeys = new DataKeys(this.database, this.masterKeys, ids, this.clock);
    this.envelope = new Envelope(this.dataKeys);
    this.root = new PlatformRoot(this.database, this.envelope, this.masterKeys, ids, this.clock);
    this.check = new MasterKeyCheck(this.database, this.masterKeys);
    this.vault = new Vault(this.envelope, new SecretBox(Buffer.alloc(32, 7)));
  }

  close(): Promise<void> {
    return this.database.close();
  }
}

/** Bytes: a key of the environment. Text: a secrets directory. */
function sourceOf(source: MasterKeySource | Buffer | string): MasterKeySource {
  if (Buffer.isBuffer(source)) return new EnvironmentSource([source]);
  return typeof source === 'string' ? new FileSource(source) : source;
}
