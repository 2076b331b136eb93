/** The import rules of the architecture: small libraries, one index.ts each, features that meet only through services. */
const lib = (name) => `^libs/${name}/src`;
/** Which libraries a library may import besides itself. */
const allowed = {
  kernel: [],
  contracts: [],
  browser: [],
  config: ['kernel'],
  trust: ['kernel', 'contracts'],
  tokens: ['kernel', 'contracts'],
  'broker-keys': ['kernel'],
  database: ['kernel'],
  queue: ['kernel'],
  'drivers/core': ['kernel'],
  'drivers/docker': ['kernel', 'drivers/core'],
  'drivers/process': ['kernel', 'drivers/core'],
  'drivers/local': ['kernel', 'drivers/core', 'drivers/docker', 'drivers/process'],
  'runtimes/core': ['kernel', 'contracts'],
  'runtimes/wirebot': ['kernel', 'contracts', 'trust', 'runtimes/core'],
  routing: ['kernel', 'contracts'],
  providers: ['kernel', 'contracts'],
  telemetry: ['kernel'],
  outbound: ['kernel'],
  backup: ['kernel', 'contracts'],
};
module.exports = {
  forbidden: [
    { name: 'no-circular', severity: 'error', from: {}, to: { circular: true, dependencyTypesNot: ['type-only'] } },
    {
      name: 'library-index-only',
      comment: 'Import a library through #libs/<name>; nothing reaches deeper.',
      severity: 'error',
      from: { path: '^(apps|tools|test)/' },
      to: { path: '^libs/.+/src/', pathNot: '^libs/[^.]+/src/index\\.ts$' },
    },
    {
      name: 'testing-in-tests-only',
      severity: 'error',
      from: { pathNot: '(\\.spec\\.ts$|\\.e2e-spec\\.ts$|/testing/|^test/|^tools/)' },
      to: { path: '^libs/testing/' },
    },
    {
      name: 'fixtures-in-tests-only',
      severity: 'error',
      from: { path: '^(apps|libs)/', pathNot: '(\\.spec\\.ts$|/testing/)' },
      to: { path: '^apps/.+/testing/' },
    },
    { name: 'libs-never-import-apps', severity: 'error', from: { path: '^libs/' }, to: { path: '^apps/' } },
    {
      name: 'apps-stay-apart',
      severity: 'error',
      from: { path: '^apps/([^/]+)/' },
      to: { path: '^apps/', pathNot: '^apps/$1/' },
    },
    {
      name: 'gateway-stays-light',
      comment: 'The gateway carries no Nest, Prisma, PostgreSQL or Docker client (memory).',
      severity: 'error',
      from: { path: '^apps/gateway/' },
      to: { path: 'node_modules/(@nestjs|@prisma|pg|dockerode|bullmq)' },
    },
    ...Object.entries(allowed).map(([name, others]) => ({
      name: `lib-${name.replace('/', '-')}`,
      severity: 'error',
      from: { path: lib(name), pathNot: '(\\.spec\\.ts$|/testing/)' },
      to: { path: '^libs/', pathNot: [name, ...others].map(lib).join('|') },
    })),
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '(^dist/|libs/database/src/generated)' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: {
      conditionNames: ['source', 'import', 'require', 'node', 'default'],
      exportsFields: ['exports'],
    },
  },
};
