import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { bindMigrationAwareSqlAdapterFactory } from '@prisma/driver-adapter-utils';
import * as glue from '@prisma/schema-engine-wasm/schema_engine_bg';
import { parseConnection } from './connection-url.mjs';
import { MigrationAdapterFactory } from './migration-adapter.mjs';

const packageDir = dirname(createRequire(import.meta.url).resolve('@prisma/schema-engine-wasm'));
/** Stands where a URL is required but nothing connects (`generate`, schema-only diffs). */
const NO_SERVER = 'postgresql://offline:offline@127.0.0.1:1/offline';
/** Sides of a diff that are computed without a database. */
const OFFLINE_TARGETS = new Set(['empty', 'schemaDatamodel']);

export const engineVersion = () => JSON.parse(readFileSync(join(packageDir, 'package.json'), 'utf8')).version;

let panicMessage = '';

/** Node does not import `.wasm` modules by itself: instantiate it and hand the exports to the generated glue. */
async function instantiate() {
  // The engine reports a Rust panic through this global before it traps.
  globalThis.PRISMA_WASM_PANIC_REGISTRY = {
    set_message: (message) => {
      panicMessage = message;
    },
  };
  const bytes = readFileSync(join(packageDir, 'schema_engine_bg.wasm'));
  const { instance } = await WebAssembly.instantiate(bytes, { './schema_engine_bg.js': glue });
  glue.__wbg_set_wasm(instance.exports);
  instance.exports.__wbindgen_start();
}

/** One engine per process, with the few differences between the WASM engine's methods and the native one's RPC. */
export class SchemaEngineHost {
  #datamodels;
  #datasource;
  #engine;
  #offline = false;
  #previousMethod = '';

  constructor(datamodels, datasource) {
    this.#datamodels = datamodels;
    this.#datasource = datasource;
  }

  static async load(datamodels, datasource) {
    await instantiate();
    return new SchemaEngineHost(datamodels, datasource);
  }

  /** Runs one RPC method. A Rust panic is rethrown with its own text and `isPanic`. */
  async call(method, params) {
    panicMessage = '';
    try {
      return await this.#dispatch(method, params ?? {});
    } catch (error) {
      if (!panicMessage) throw error;
      throw Object.assign(new Error(panicMessage, { cause: error }), { isPanic: true });
    } finally {
      this.#previousMethod = method;
    }
  }

  async #dispatch(method, params) {
    this.#offline = method === 'diff' && OFFLINE_TARGETS.has(params.from?.tag) && OFFLINE_TARGETS.has(params.to?.tag);
    if (method === 'createDatabase') return { databaseName: parseConnection(this.#datasource.url).database };
    const engine = (this.#engine ??= await this.#create());
    if (method === 'evaluateDataLoss') await this.#warmShadow(engine, params);
    const target = method === 'getDatabaseVersion' ? 'version' : method;
    if (typeof engine[target] !== 'function') throw new Error(`schema-engine: unknown method "${method}"`);
    return (await engine[target](params)) ?? null;
  }

  /**
   * The WASM engine forgets the shadow database factory in `evaluateDataLoss`, unless `devDiagnostic` has just replayed
   * the same migrations and kept their schema; with other calls in between, do it here. A second engine would do as well,
   * but wait ten seconds for the migration lock of the first one's connection.
   */
  async #warmShadow(engine, { migrationsList, filters }) {
    if (this.#previousMethod !== 'devDiagnostic') await engine.devDiagnostic({ migrationsList, filters });
  }

  #create() {
    const factory = new MigrationAdapterFactory(
      this.#datasource.url || NO_SERVER,
      this.#datasource.shadowDatabaseUrl,
      () => this.#offline,
    );
    const datamodels = this.#datamodels.length > 0 ? this.#datamodels : undefined;
    return glue.SchemaEngine.new({ datamodels }, () => undefined, bindMigrationAwareSqlAdapterFactory(factory));
  }
}
