/** A column whose values are under data keys. */
export interface SealedColumn {
  readonly table: string;
  readonly column: string;
  /** The table's primary key: one column. */
  readonly key: string;
  /** A column that repeats which data key it is. */
  readonly dataKey?: string;
  /** Rows read at a time; less where values are large. */
  readonly batch?: number;
  /** What values from before there were data keys were sealed for. */
  readonly olderContext?: (key: string) => string;
}

/**
 * Every column that data keys protect; a rotation goes through them. A test compares this list with the database, so a new
 * column cannot be forgotten.
 */
export const SEALED_COLUMNS: readonly SealedColumn[] = [
  { table: 'secrets', column: 'sealed', key: 'id', dataKey: 'data_key_id' },
  {
    table: 'signing_keys',
    column: 'private_jwk_encrypted',
    key: 'kid',
    olderContext: (kid) => `signing-key/${kid}`,
  },
  { table: 'member_exports', column: 'sealed', key: 'id', batch: 2 },
  { table: 'identity_providers', column: 'client_secret_sealed', key: 'id' },
  { table: 'user_totp', column: 'secret_sealed', key: 'user_id' },
  { table: 'mails', column: 'sealed', key: 'id' },
  { table: 'shared_secret_issuers', column: 'secret_sealed', key: 'tenant_id' },
  { table: 'shared_secret_issuers', column: 'previous_sealed', key: 'tenant_id' },
  { table: 'webhook_endpoints', column: 'secret_sealed', key: 'id' },
  { table: 'host_credentials', column: 'sealed', key: 'host_id' },
  { table: 'webhook_endpoints', column: 'previous_sealed', key: 'id' },
  { table: 'backup_keys', column: 'identity_sealed', key: 'id' },
];

/**
 * Sealed values inside JSON documents, which are not encrypted again because they end by themselves within this time:
 * answers to repeated requests after a day, steps of a sign-in after minutes. A retired key is kept at least as long.
 */
export const SHORT_LIVED_HOURS = 48;
