import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { type EnvironmentReader, readSecretFile } from './reader.js';

/** Where backups go, and how many are made at a time. */
export interface BackupConfig {
  /** Where new ones go; older ones are read from where they lie. */
  readonly store: 'local' | 's3';
  /** Absolute. */
  readonly directory: string;
  /** Bytes that stay free on the folder's file system. */
  readonly keepFreeBytes: number;
  /** Undefined: there is no S3. */
  readonly s3: BackupS3Config | undefined;
  /** Backups that one process makes at a time. */
  readonly atOnce: number;
}

export interface BackupS3Config {
  readonly bucket: string;
  readonly region: string;
  readonly endpoint: string | undefined;
  readonly prefix: string;
  readonly pathStyle: boolean;
  /** Undefined: the SDK finds them. Secret, and not enumerable. */
  readonly credentials: { readonly accessKeyId: string; readonly secretAccessKey: string } | undefined;
}

const SECRET_FILE = 'backup-s3-secret';
const MB = 1024 * 1024;

export function readBackupConfig(env: EnvironmentReader, dataDir: string, secretsDir: string): BackupConfig {
  const store = env.oneOf('WIREBOT_BACKUP_STORE', ['local', 's3'], 'local');
  const named = env.optional('WIREBOT_BACKUP_S3_BUCKET') !== undefined;
  return Object.freeze({
    store,
    directory: resolve(env.text('WIREBOT_BACKUP_DIR', `${dataDir}/backups`)),
    keepFreeBytes: env.integer('WIREBOT_BACKUP_KEEP_FREE_MB', { min: 0, max: 100_000_000 }, 1_024) * MB,
    s3: store === 's3' || named ? readS3(env, secretsDir) : undefined,
    atOnce: env.integer('WIREBOT_BACKUPS_AT_ONCE', { min: 1, max: 32 }, 2),
  });
}

function readS3(env: EnvironmentReader, secretsDir: string): BackupS3Config {
  const bucket = env.matching(
    'WIREBOT_BACKUP_S3_BUCKET',
    /^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/,
    'expected the name of a bucket; it must be set for the store s3',
  );
  const endpoint = env.optional('WIREBOT_BACKUP_S3_ENDPOINT') && env.baseUrl('WIREBOT_BACKUP_S3_ENDPOINT');
  const config = {
    bucket,
    region: env.matching('WIREBOT_BACKUP_S3_REGION', /^[a-z0-9-]{1,40}$/, 'expected such as eu-central-1', 'us-east-1'),
    endpoint,
    prefix: env.matching(
      'WIREBOT_BACKUP_S3_PREFIX',
      /^(?:[\w.-]+\/)*$/,
      'expected names that each end in a slash, such as wirebot/',
      'wirebot/',
    ),
    // Services other than Amazon's seldom have a name for each bucket.
    pathStyle: env.oneOf('WIREBOT_BACKUP_S3_PATH_STYLE', ['true', 'false'], endpoint ? 'true' : 'false') === 'true',
  };
  const credentials = readCredentials(env, secretsDir);
  Object.defineProperty(config, 'credentials', { value: credentials, enumerable: false });
  return Object.freeze(config as BackupS3Config);
}

/** The secret is a file, never a variable: variables are inherited, listed and dumped. */
function readCredentials(env: EnvironmentReader, secretsDir: string): BackupS3Config['credentials'] {
  const accessKeyId = env.optional('WIREBOT_BACKUP_S3_ACCESS_KEY_ID');
  if (!accessKeyId && !existsSync(join(secretsDir, SECRET_FILE))) return undefined;
  const id = env.matching('WIREBOT_BACKUP_S3_ACCESS_KEY_ID', /^[\w./+=-]{3,128}$/, 'expected an access key id');
  const expected = 'it must hold the secret access key that belongs to WIREBOT_BACKUP_S3_ACCESS_KEY_ID';
  return { accessKeyId: id, secretAccessKey: readSecretFile(secretsDir, SECRET_FILE, /^\S{8,512}$/, expected) };
}
