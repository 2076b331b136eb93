import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { readBackupConfig } from './backup-config.js';
import { EnvironmentReader } from './reader.js';

let secrets: string;
beforeEach(() => {
  secrets = mkdtempSync(join(tmpdir(), 'wb-backup-config-'));
});
afterEach(() => rmSync(secrets, { recursive: true }));

const read = (environment: Record<string, string>) =>
  readBackupConfig(new EnvironmentReader(environment), '/data', secrets);
const S3 = { WIREBOT_BACKUP_STORE: 's3', WIREBOT_BACKUP_S3_BUCKET: 'backups' };

describe('the configuration of backups', () => {
  it('is a folder beside the data unless something else is said', () => {
    expect(read({})).toEqual({
      store: 'local',
      directory: '/data/backups',
      keepFreeBytes: 1024 ** 3,
      s3: undefined,
      atOnce: 2,
    });
  });

  it('knows S3, with its own addresses and elsewhere', () => {
    expect(read(S3).s3).toEqual({
      bucket: 'backups',
      region: 'us-east-1',
      endpoint: undefined,
      prefix: 'wirebot/',
      pathStyle: false,
    });
    const elsewhere = { ...S3, WIREBOT_BACKUP_S3_ENDPOINT: 'https://s3.example.com/' };
    expect(read(elsewhere).s3).toMatchObject({ endpoint: 'https://s3.example.com', pathStyle: true });
  });

  it('reads older backups from S3 though new ones go to a folder', () => {
    expect(read({ WIREBOT_BACKUP_S3_BUCKET: 'backups' })).toMatchObject({ store: 'local', s3: { bucket: 'backups' } });
  });

  it('takes the secret from a file and never shows it', () => {
    writeFileSync(join(secrets, 'backup-s3-secret'), 'very-secret-key\n');
    const { s3 } = read({ ...S3, WIREBOT_BACKUP_S3_ACCESS_KEY_ID: 'AKIA1' });
    expect(s3?.credentials).toEqual({ accessKeyId: 'AKIA1', secretAccessKey: 'very-secret-key' });
    expect(JSON.stringify(s3)).not.toContain('very-secret');
  });

  it.each<[string, Record<string, string>]>([
    ['WIREBOT_BACKUP_STORE', { WIREBOT_BACKUP_STORE: 'ftp' }],
    ['WIREBOT_BACKUP_S3_BUCKET', { WIREBOT_BACKUP_STORE: 's3' }],
    ['WIREBOT_BACKUP_S3_PREFIX', { ...S3, WIREBOT_BACKUP_S3_PREFIX: 'no-slash' }],
    ['WIREBOT_BACKUP_S3_ENDPOINT', { ...S3, WIREBOT_BACKUP_S3_ENDPOINT: 'ftp://x' }],
    ['backup-s3-secret', { ...S3, WIREBOT_BACKUP_S3_ACCESS_KEY_ID: 'AKIA1' }],
    ['WIREBOT_BACKUPS_AT_ONCE', { WIREBOT_BACKUPS_AT_ONCE: '0' }],
    ['WIREBOT_BACKUP_KEEP_FREE_MB', { WIREBOT_BACKUP_KEEP_FREE_MB: '-1' }],
  ])('names %s when it is wrong', (name, environment) => {
    expect(() => read(environment)).toThrow(name);
  });
});
