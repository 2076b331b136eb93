import { mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '../..');

/** CommonJS parts of the bundle (Fastify, ws, pino) call `require` for Node's own modules; an ES module has none. */
const banner = `import { createRequire as __createRequire } from 'node:module';
import { dirname as __pathDirname } from 'node:path';
import { fileURLToPath as __fileURLToPath } from 'node:url';
const require = __createRequire(import.meta.url);
const __filename = __fileURLToPath(import.meta.url);
const __dirname = __pathDirname(__filename);`;

/** Loaded by Fastify only for route schemas, which the gateway does not use (see its main.listener.ts). */
const NEVER_LOADED = ['@fastify/ajv-compiler', '@fastify/fast-json-stringify-compiler', 'light-my-request'];

/** Lets unused imports of libraries that do not declare it themselves be dropped. */
const pureLibraries = {
  name: 'pure-libraries',
  setup({ onResolve, resolve }) {
    onResolve({ filter: /^prom-client$/ }, async ({ path, pluginData, ...options }) => {
      if (pluginData === 'seen') return undefined;
      const { importer, resolveDir, kind } = options;
      const found = await resolve(path, { importer, resolveDir, kind, pluginData: 'seen' });
      return { path: found.path, sideEffects: false };
    });
  },
};

/**
 * Bundles the agent gateway into one file that needs nothing but Node 24. Names stay readable (stack traces, error names);
 * the source map lies beside. Returns the file and its size in bytes.
 */
export async function bundleGateway(outfile = join(root, 'dist/gateway/gateway.mjs')) {
  mkdirSync(dirname(outfile), { recursive: true });
  const result = await build({
    absWorkingDir: root,
    entryPoints: ['apps/gateway/src/main.ts'],
    outfile,
    bundle: true,
    platform: 'node',
    target: 'node24',
    format: 'esm',
    conditions: ['source', 'node', 'import'],
    minifyWhitespace: true,
    minifySyntax: true,
    minifyIdentifiers: false,
    keepNames: false,
    sourcemap: 'external',
    legalComments: 'none',
    external: NEVER_LOADED,
    plugins: [pureLibraries],
    banner: { js: banner },
    metafile: true,
    write: false,
    logLevel: 'warning',
  });
  // Whoever starts a gateway meanwhile gets the old file or the new one, never half of it; the map comes first.
  for (const { path, contents } of result.outputFiles.toSorted((a, b) => b.path.length - a.path.length)) {
    writeFileSync(`${path}.${process.pid}.new`, contents);
    renameSync(`${path}.${process.pid}.new`, path);
  }
  const output = Object.entries(result.metafile.outputs).find(([name]) => name.endsWith('.mjs'))[1];
  return { outfile, bytes: output.bytes, inputs: output.inputs };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const began = performance.now();
  const { outfile, bytes } = await bundleGateway(process.argv[2] ? resolve(process.argv[2]) : undefined);
  console.log(`${outfile} ${(bytes / 1024).toFixed(0)} KiB in ${Math.round(performance.now() - began)} ms`);
}
