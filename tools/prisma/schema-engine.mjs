#!/usr/bin/env node
/**
 * Stand-in for Prisma's native `schema-engine` executable: the same command line and the same JSON-RPC on stdio, on
 * top of the engine's WASM build and the `pg` driver adapter. `prisma.config.ts` points Prisma's CLI here.
 */
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { runDatabaseCommand } from './database-commands.mjs';
import { engineVersion, SchemaEngineHost } from './engine-host.mjs';
import { serve } from './rpc.mjs';

const { values, positionals } = parseArgs({
  args: process.argv.slice(2),
  strict: false,
  allowPositionals: true,
  options: {
    datasource: { type: 'string' },
    datamodels: { type: 'string', multiple: true },
    version: { type: 'boolean' },
  },
});
/** `{url, shadowDatabaseUrl?}`, as Prisma's CLI hands it over. */
const datasource = values.datasource ? JSON.parse(values.datasource) : {};

if (values.version) {
  console.log(`schema-engine-wasm ${engineVersion()}`);
} else if (positionals[0] === 'cli') {
  process.exitCode = await runDatabaseCommand(positionals[1], datasource.url);
} else {
  const datamodels = (values.datamodels ?? []).map((path) => [path, readFileSync(path, 'utf8')]);
  const host = await SchemaEngineHost.load(datamodels, datasource);
  await serve(process.stdin, process.stdout, (method, params) => host.call(method, params));
  // The adapter's pools keep sockets open; everything has been answered by now.
  process.exit(0);
}
