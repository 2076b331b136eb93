import { existsSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { projectNode, ROOT, run } from './project.mjs';
import { sourceFiles } from './stamps.mjs';

/** Versions of compilers and libraries are inputs as well. */
const TOOLCHAIN = ['package.json', 'package-lock.json'];
const CODE = ['apps', 'libs', 'tools'];

const script = (path) => () => run(projectNode(), [join(ROOT, path)]);

/** Each part: what it reads, what must exist afterwards, how it is made. Later stages need the earlier ones. */
export const STAGES = [
  [
    {
      name: 'database client',
      inputs: ['prisma/schema.prisma', 'prisma.config.ts', ...TOOLCHAIN],
      outputs: ['libs/database/src/generated/client.ts'],
      make: () => run('prisma', ['generate']),
    },
  ],
  [
    {
      name: 'code',
      inputs: [...CODE, 'prisma/schema.prisma', '.swcrc', ...TOOLCHAIN],
      outputs: ['dist/tools/stack/main.js'],
      make: compile,
    },
    {
      name: 'gateway bundle',
      script: 'tools/build/gateway-bundle.mjs',
      inputs: ['apps/gateway', 'libs', 'tools/build/gateway-bundle.mjs', ...TOOLCHAIN],
      outputs: ['dist/gateway/gateway.mjs'],
      make: script('tools/build/gateway-bundle.mjs'),
    },
    {
      name: 'chat page',
      script: 'apps/chat/build.mjs',
      inputs: ['apps/chat', 'libs', ...TOOLCHAIN],
      outputs: ['dist/apps/chat/public'],
      make: script('apps/chat/build.mjs'),
    },
    {
      name: 'admin page',
      script: 'apps/admin/build.mjs',
      inputs: ['apps/admin', 'libs', ...TOOLCHAIN],
      outputs: ['dist/apps/admin/public'],
      make: script('apps/admin/build.mjs'),
    },
  ],
];

/** Plain scripts (.mjs) run where they are; everything else becomes dist/<same path>.js. */
async function compile() {
  await run('swc', [...CODE, '-d', 'dist', '--config-file', '.swcrc', '--ignore', '**/*.mjs,**/*.d.mts']);
  prune();
}

/** Takes away what a deleted or renamed source left behind; a stray file could still be imported. */
function prune() {
  const folders = ['libs', 'tools', ...readdirSync(join(ROOT, 'apps')).map((app) => `apps/${app}/src`)];
  for (const file of sourceFiles(join(ROOT, 'dist'), folders)) {
    const source = join(ROOT, file.replace(/\.js(\.map)?$/, ''));
    const generated = file.startsWith('libs/database/src/generated/');
    if (!generated && !existsSync(`${source}.ts`) && !existsSync(`${source}.tsx`)) rmSync(join(ROOT, 'dist', file));
  }
}
