import { join, resolve } from 'node:path';

/** The checkout: this file is dist/tools/stack/paths.js, or tools/stack/paths.ts under test. */
const here = resolve(import.meta.dirname, '..', '..');
export const ROOT = here.endsWith('/dist') ? resolve(here, '..') : here;

/** Every file of a stack's data directory, stated once. Described in docs/local-stack.md. */
export const stackPaths = (dataDir: string) => ({
  dataDir,
  instance: join(dataDir, 'instance'),
  secrets: join(dataDir, 'secrets'),
  credentials: join(dataDir, 'secrets', 'credentials.json'),
  /** The proxy's alone: the control plane must not open what is sealed to the model broker. */
  proxySecrets: join(dataDir, 'proxy-secrets'),
  logs: join(dataDir, 'logs'),
  ports: join(dataDir, 'ports.json'),
  run: join(dataDir, 'run.json'),
  /** Where gateways run; outlives a stop, for reset. */
  host: join(dataDir, 'host.json'),
  stack: join(dataDir, 'stack.json'),
  /** What the control plane is told, for `npm run wirebot`; exists only while the stack runs. */
  environment: join(dataDir, 'environment.json'),
  engine: join(dataDir, 'docker'),
  gateways: join(dataDir, 'gateways'),
  gatewayRuns: join(dataDir, 'run'),
});
export type StackPaths = ReturnType<typeof stackPaths>;

export const built = (...parts: string[]): string => join(ROOT, 'dist', ...parts);
export const CONTROL_PLANE = built('apps', 'control-plane', 'src', 'main.js');
export const SETUP = built('apps', 'control-plane', 'src', 'setup.js');
export const PROXY = built('apps', 'proxy', 'src', 'main.js');
