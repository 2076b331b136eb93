import { fileURLToPath } from 'node:url';
import { defineConfig } from 'prisma/config';

// Prisma's own schema engine is a download at install time, which this repository does without (installs run no foreign
// scripts and need nothing but the package registry). A stand-in over the engine's WASM build takes its place, unless
// somebody names a native one.
process.env['PRISMA_SCHEMA_ENGINE_BINARY'] ??= fileURLToPath(
  new URL('./tools/prisma/schema-engine.mjs', import.meta.url),
);
// No version check over the network.
process.env['CHECKPOINT_DISABLE'] ??= '1';

/** Prisma's CLI loads this file and takes its default export. */
const config = defineConfig({
  schema: 'prisma/schema.prisma',
  migrations: { path: 'prisma/migrations' },
  datasource: {
    url: process.env['DATABASE_URL'] ?? '',
    ...(process.env['SHADOW_DATABASE_URL'] ? { shadowDatabaseUrl: process.env['SHADOW_DATABASE_URL'] } : {}),
  },
});
export default config;
