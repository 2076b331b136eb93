import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { deadline } from '#libs/kernel';
import type { StartContext } from './context.js';
import { chooseHost, driverFor, gatewayImage } from './gateway-host.js';
import { migrate } from './migrations.js';
import { lastWords } from './optional-file.js';
import { controlPlaneEnvironment, type StackFacts, stackUrls } from './part-environment.js';
import { ROOT, SETUP } from './paths.js';
import {
  choosePorts,
  claimGatewayPorts,
  type GatewayPorts,
  isPortFree,
  type RememberedPorts,
  type StackPorts,
} from './ports.js';
import { startPostgres } from './postgres.js';
import { endProcess, type HostRecord, PART_NAMES, type RunRecord } from './run-file.js';
import { StackError } from './stack-error.js';
import { readJson, writeJson } from './state-files.js';

const run = promisify(execFile);
const PREPARE_LIMIT = 60_000;
const SETUP_LIMIT = 60_000;
const LEFTOVER_GRACE = 10_000;

/** `.wirebot/secrets/credentials.json`, written by the control plane's setup. */
export interface Credentials {
  readonly admin: { readonly email: string; readonly password: string };
  readonly tenant: { readonly id: string; readonly slug: string; readonly apiKey: string; readonly host: string };
}

/**
 * Parts of a run whose supervisor was killed still serve with that run's settings: they end before new ones start.
 * PostgreSQL, the engine and gateways carry on and are adopted.
 */
export async function endLeftovers(record: RunRecord | undefined, note: (text: string) => void): Promise<void> {
  for (const name of PART_NAMES) {
    const identity = record?.parts[name];
    if (identity && (await endProcess(identity, LEFTOVER_GRACE)) !== 'gone')
      note(`ended the ${name} of an earlier run (pid ${identity.pid})`);
  }
}

/** Everything below the two processes: ports, database, engine, image, network, first data. */
export async function bringUp(context: StartContext): Promise<{ facts: StackFacts; credentials: Credentials }> {
  const { ports, gatewayPorts } = await settlePorts(context);
  const [databaseUrl, host] = await bothOrNeither(settleDatabase(context), settleHost(context, gatewayPorts));
  const facts: StackFacts = {
    paths: context.paths,
    instance: context.instance,
    ports,
    gatewayPorts,
    databaseUrl,
    redisUrl: context.env['REDIS_URL'] || undefined,
    host,
  };
  await context.run.update({ urls: { ...stackUrls(facts, context.env), broker: `${host.address}:${ports.broker}` } });
  context.signal.throwIfAborted();
  return { facts, credentials: await setUp(context, facts) };
}

/** Like Promise.all, but waits for both also when one fails: nothing is still starting while the other is stopped. */
async function bothOrNeither<A, B>(first: Promise<A>, second: Promise<B>): Promise<[A, B]> {
  const [a, b] = await Promise.allSettled([first, second]);
  if (a.status === 'rejected') throw a.reason as Error;
  if (b.status === 'rejected') throw b.reason as Error;
  return [a.value, b.value];
}

async function settlePorts(context: StartContext): Promise<{ ports: StackPorts; gatewayPorts: GatewayPorts }> {
  const { options, env, paths, console, run } = context;
  const remembered = await readJson<RememberedPorts>(paths.ports);
  const named = env['WIREBOT_PROXY_PORT'] ? Number(env['WIREBOT_PROXY_PORT']) : undefined;
  const ports = await choosePorts(
    options.port ?? named,
    remembered,
    isPortFree(env['WIREBOT_PROXY_HOST'] || '127.0.0.1'),
  );
  const gatewayPorts = await settleGatewayPorts(context, remembered?.gateways);
  if (remembered && remembered.proxy !== ports.proxy && options.port === undefined)
    console.warn(`Port ${remembered.proxy} is taken now; the proxy moves to ${ports.proxy}.`);
  await writeJson(paths.ports, { ...ports, gateways: gatewayPorts } satisfies RememberedPorts);
  await run.update({ gatewayPorts });
  return { ports, gatewayPorts };
}

async function settleGatewayPorts(
  { env, instance, console }: StartContext,
  remembered: GatewayPorts | undefined,
): Promise<GatewayPorts> {
  const named = /^(\d+)-(\d+)$/.exec(env['WIREBOT_GATEWAY_PORTS'] ?? '');
  if (named) return { from: Number(named[1]), to: Number(named[2]) };
  const { ports, shared } = await claimGatewayPorts(remembered, instance);
  if (shared)
    console.warn(
      `Another running stack has the gateway ports ${ports.from}-${ports.to} too. With --driver process, stop one of them.`,
    );
  return ports;
}

async function settleDatabase({ env, paths, instance, console, run, signal }: StartContext): Promise<string> {
  let url = env['DATABASE_URL'];
  if (url) console.note('PostgreSQL: the server that DATABASE_URL names');
  else {
    await run.update({ embeddedPostgres: true });
    const server = await console.step(
      (started) => `PostgreSQL 18 (embedded${started.adopted ? ', was running' : ''})`,
      () => startPostgres({ dataDir: paths.dataDir, instance, signal }),
    );
    url = server.url;
  }
  const startedAt = performance.now();
  const pending = await migrate(url);
  if (pending > 0) console.done(`Database migrated (${pending} new)`, startedAt);
  console.note(
    env['REDIS_URL']
      ? 'Queues and counters: Redis (REDIS_URL)'
      : 'Queues and counters: PostgreSQL (set REDIS_URL to use Redis)',
  );
  return url;
}

async function settleHost(context: StartContext, ports: GatewayPorts): Promise<StackFacts['host']> {
  const { env, paths, instance, console, signal, run } = context;
  const named = env['WIREBOT_DRIVER'];
  const asked = context.options.driver ?? (named === 'docker' || named === 'process' ? named : undefined);
  const startedAt = performance.now();
  const before = await readJson<HostRecord>(paths.host);
  const host = await chooseHost({ asked, env, instance, paths, console });
  await run.update({ host });
  await writeJson(paths.host, host);
  if (host.driver === 'docker')
    console.done(host.ownEngine ? 'Docker Engine (our own)' : `Docker Engine (${host.socketPath})`, startedAt);
  signal.throwIfAborted();
  // A registry that did not have the base image at the first start is not waited for again.
  const known = before?.driver === 'docker' && host.driver === 'docker' && before.socketPath === host.socketPath;
  const image =
    host.driver === 'docker'
      ? await console.step('Gateway image', () => gatewayImage(host, env, console.note, known))
      : await gatewayImage(host, env, console.note, known);
  const facts = await (await driverFor(host, instance, paths, ports)).prepare(deadline(PREPARE_LIMIT, signal));
  return {
    driver: host.driver,
    image,
    address: facts.hostAddressForGateways,
    ...(host.driver === 'docker' ? { socketPath: host.socketPath } : {}),
  };
}

/** The first admin, tier templates and demo tenant. Does nothing to what exists. */
async function setUp({ env, paths, console, signal }: StartContext, facts: StackFacts): Promise<Credentials> {
  await console.step('Admin, tiers and demo tenant', async () => {
    try {
      const args = ['--enable-source-maps', SETUP, '--credentials', paths.credentials];
      await run(process.execPath, args, {
        cwd: ROOT,
        env: controlPlaneEnvironment(facts, env),
        timeout: SETUP_LIMIT,
        signal,
      });
    } catch (error) {
      signal.throwIfAborted();
      const { stdout = '', stderr = '' } = error as { stdout?: string; stderr?: string };
      const said = lastWords(`${stdout}\n${stderr}`.trim());
      throw new StackError(
        'setup-failed',
        `The first data could not be written:\n${said || (error as Error).message}`,
        { cause: error },
      );
    }
  });
  const credentials = await readJson<Credentials>(paths.credentials);
  if (!credentials)
    throw new StackError(
      'setup-failed',
      `${join('secrets', 'credentials.json')} is missing after setup. Run npm run reset, then npm start.`,
    );
  return credentials;
}
