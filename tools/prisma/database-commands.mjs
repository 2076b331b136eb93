import { Client } from 'pg';
import { parseConnection, withDatabase } from './connection-url.mjs';

const CONNECT_WITHIN_MS = 5_000;
const UNREACHABLE = new Set(['ECONNREFUSED', 'ECONNRESET', 'ENOTFOUND', 'ENOENT', 'ETIMEDOUT', 'EACCES']);

/** Prisma's own code and wording for a connection fault; its CLI decides by the code whether to create the database. */
function describeFault(error, { database, host }) {
  if (error.code === '3D000') return { error_code: 'P1003', message: `Database \`${database}\` does not exist` };
  if (error.code === '28P01') return { error_code: 'P1000', message: 'The database refused the user name or password' };
  if (UNREACHABLE.has(error.code))
    return { error_code: 'P1001', message: `Can't reach database server at \`${host}\`` };
  return { error_code: 'P1010', message: error.message || String(error.code) };
}

/** The native engine reports faults as one JSON line on stderr; Prisma's CLI parses it. */
function reportFault(fields) {
  const line = {
    timestamp: new Date().toISOString(),
    level: 'ERROR',
    fields: { ...fields, is_panic: false },
    target: 'schema_engine::logger',
  };
  process.stderr.write(`\n${JSON.stringify(line)}\n`);
}

const quote = (name) => `"${name.replaceAll('"', '""')}"`;

async function run(command, client, database) {
  if (command === 'create-database') await client.query(`CREATE DATABASE ${quote(database)}`);
  else if (command === 'drop-database') await client.query(`DROP DATABASE IF EXISTS ${quote(database)} WITH (FORCE)`);
  else if (command !== 'can-connect-to-database') throw new Error(`schema-engine: unknown command "${command}"`);
}

/** `schema-engine cli can-connect-to-database | create-database | drop-database`. Returns the exit code. */
export async function runDatabaseCommand(command, rawUrl) {
  const target = parseConnection(rawUrl);
  const connectionString = command === 'can-connect-to-database' ? target.url : withDatabase(rawUrl, 'postgres');
  const client = new Client({ connectionString, connectionTimeoutMillis: CONNECT_WITHIN_MS });
  try {
    await client.connect();
    await run(command, client, target.database);
    return 0;
  } catch (error) {
    reportFault(describeFault(error, target));
    return 1;
  } finally {
    await client.end();
  }
}
