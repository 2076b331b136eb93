import { randomUUID } from 'node:crypto';
import { PrismaPg } from '@prisma/adapter-pg';
import { ColumnTypeEnum } from '@prisma/driver-adapter-utils';
import { Client } from 'pg';
import { parseConnection, withDatabase } from './connection-url.mjs';

/** PostgreSQL's internal one-byte type, which catalogue queries return and the stock adapter refuses. */
const CHAR_OID = 18;
const TEXT_OID = 25;
const NO_CONNECTION = new Set([
  'DatabaseNotReachable',
  'DatabaseDoesNotExist',
  'AuthenticationFailed',
  'DatabaseAccessDenied',
  'SocketTimeout',
  'TlsConnectionError',
]);
/** What the engine's version probe gets when a command needs no server. */
const OFFLINE_VERSION = {
  columnNames: ['exists', 'version', 'numeric_version'],
  columnTypes: [ColumnTypeEnum.Boolean, ColumnTypeEnum.Text, ColumnTypeEnum.Int32],
  rows: [[true, 'PostgreSQL 17.0', 170_000]],
};

const poolFor = (url) => ({ connectionString: url, max: 2 });

/** Lets `"char"` columns through as text and marks them as characters in the answer. */
function acceptCharColumns(adapter) {
  const performIO = adapter.performIO.bind(adapter);
  const queryRaw = adapter.queryRaw.bind(adapter);
  let charColumns = [];
  adapter.performIO = async (query) => {
    const result = await performIO(query);
    charColumns = [];
    for (const [index, field] of (result.fields ?? []).entries()) {
      if (field.dataTypeID !== CHAR_OID) continue;
      field.dataTypeID = TEXT_OID;
      charColumns.push(index);
    }
    return result;
  };
  adapter.queryRaw = async (query) => {
    const result = await queryRaw(query);
    for (const index of charColumns) result.columnTypes[index] = ColumnTypeEnum.Character;
    return result;
  };
}

/** `migrate diff` between an empty database and a schema file must work without a server. */
function answerVersionOffline(adapter, isOffline) {
  const queryRaw = adapter.queryRaw.bind(adapter);
  adapter.queryRaw = async (query) => {
    try {
      return await queryRaw(query);
    } catch (error) {
      const probe = isOffline() && query.sql.includes('server_version_num') && NO_CONNECTION.has(error?.cause?.kind);
      if (probe) return OFFLINE_VERSION;
      throw error;
    }
  };
}

/** The stock adapter cuts scripts at every `;`, which breaks function bodies: send the text as one simple query. */
function runScriptsWhole(adapter) {
  if (!adapter.executeScript) return;
  adapter.executeScript = async (sql) => {
    try {
      await adapter.client.query(sql);
    } catch (error) {
      adapter.onError(error);
    }
  };
}

function adapt(adapter, isOffline) {
  acceptCharColumns(adapter);
  answerVersionOffline(adapter, isOffline);
  runScriptsWhole(adapter);
  if (adapter.startTransaction) {
    const start = adapter.startTransaction.bind(adapter);
    adapter.startTransaction = async (...options) => adapt(await start(...options), isOffline);
  }
  return adapter;
}

/** Connects the engine to the target database, and to a shadow database when a command replays migrations. */
export class MigrationAdapterFactory extends PrismaPg {
  #url;
  #shadowUrl;
  #isOffline;

  /** `isOffline` says whether the command that runs now may do without a server. */
  constructor(url, shadowUrl, isOffline) {
    const { url: plain, schema } = parseConnection(url);
    super(poolFor(plain), { schema });
    this.#url = url;
    this.#shadowUrl = shadowUrl;
    this.#isOffline = isOffline;
  }

  async connect() {
    return adapt(await super.connect(), this.#isOffline);
  }

  connectToShadowDb() {
    return this.#shadowUrl ? this.#wipeNamedShadow() : this.#createShadow();
  }

  /** A shadow database somebody named is emptied, as the native engine does. */
  async #wipeNamedShadow() {
    const adapter = await this.#open(parseConnection(this.#shadowUrl).url);
    await adapter.executeScript('DROP SCHEMA IF EXISTS public CASCADE; CREATE SCHEMA public');
    return adapter;
  }

  async #createShadow() {
    const name = `prisma_migrate_shadow_db_${randomUUID()}`;
    const admin = new Client({ connectionString: parseConnection(this.#url).url });
    await admin.connect();
    await admin.query(`CREATE DATABASE "${name}"`);
    const adapter = await this.#open(withDatabase(this.#url, name));
    const dispose = adapter.dispose.bind(adapter);
    adapter.dispose = async () => {
      await dispose();
      await admin.query(`DROP DATABASE IF EXISTS "${name}" WITH (FORCE)`);
      await admin.end();
    };
    return adapter;
  }

  async #open(url) {
    return adapt(await new PrismaPg(poolFor(url)).connect(), this.#isOffline);
  }
}
