import { createHash } from 'node:crypto';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { basename, dirname, extname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..');

/**
 * Builds one static page: bundles its script and its style sheet, names every asset after its content (so that it can be
 * cached for ever) and writes `index.html` with relative addresses only, because the page is served below any base.
 *
 * `name` is the folder below `apps/`; it holds `src/index.html` with `%script%`, `%style%` and `%icon%` in it.
 */
export async function bundlePage(name) {
  const source = join(root, 'apps', name, 'src');
  const output = join(root, 'dist', 'apps', name, 'public');
  const assets = await bundleAssets(source);
  await rm(output, { recursive: true, force: true });
  await mkdir(join(output, 'assets'), { recursive: true });
  for (const asset of Object.values(assets)) await writeFile(join(output, asset.path), asset.bytes);
  const template = await readFile(join(source, 'index.html'), 'utf8');
  const html = template.replace(/%(script|style|icon)%/g, (_, key) => `./${assets[key].path}`);
  await writeFile(join(output, 'index.html'), html);
  return output;
}

async function bundleAssets(source) {
  const { outputFiles } = await build({
    entryPoints: [join(source, 'main.ts'), join(source, 'main.css')],
    bundle: true,
    minify: true,
    write: false,
    format: 'esm',
    target: ['es2022', 'chrome111', 'firefox113', 'safari16.4'],
    conditions: ['source'],
    outdir: 'assets',
    legalComments: 'none',
  });
  const byExtension = (extension) => outputFiles.find((file) => extname(file.path) === extension).contents;
  return {
    script: hashed('main.js', byExtension('.js')),
    style: hashed('main.css', byExtension('.css')),
    icon: hashed('icon.svg', await readFile(join(source, 'icon.svg'))),
  };
}

function hashed(name, bytes) {
  const hash = createHash('sha256').update(bytes).digest('hex').slice(0, 10);
  const extension = extname(name);
  return { path: `assets/${basename(name, extension)}-${hash}${extension}`, bytes };
}
