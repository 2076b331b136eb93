import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { delay } from '#libs/kernel';
import { parts } from '../support/stack.js';
import { Cut } from './support/cut.js';
import { untilWell } from './support/faults.js';
import { type Cell, writeMatrix } from './support/matrix.js';
import { CONVERGES_WITHIN } from './support/run-scenario.js';
import type { Scenario } from './support/scenario-parts.js';
import { SCENARIOS } from './support/scenarios.js';
import { World } from './support/world.js';

/** Long enough that every call under way meets it, short enough that nobody gives up for good. */
const OUTAGE_MS = 4_000;
const CHANGES = [
  'provision a gateway of its own',
  'move to a gateway of its own',
  'restart',
  'erase with a gateway of its own',
];
const changes = SCENARIOS.filter(({ name }) => CHANGES.includes(name));

interface Fault {
  readonly name: string;
  begin(): void;
  end(): void;
}

const addressOf = (url: string) => ({ host: new URL(url).hostname, port: Number(new URL(url).port) });
let serial = 0;

/** Cuts as soon as the change has passed its first step, and mends after a while. */
async function through(world: World, scenario: Scenario, fault: Fault): Promise<Cell> {
  const member = `c${(serial += 1)}`;
  const memory = await scenario.prepare(world, member);
  const before = await untilWell(world.stack, CONVERGES_WITHIN);
  if (before.length > 0) throw new Error(before.join('; '));
  await world.drill.clear();
  const began = Date.now();
  const operation = await scenario.act(world, member, memory);
  while ((await world.drill.reached()).length === 0 && Date.now() - began < 10_000) await delay(5);
  fault.begin();
  const [point = 'nothing'] = (await world.drill.reached()).slice(-1);
  await delay(OUTAGE_MS);
  fault.end();
  await world.succeeded(operation);
  const wrong = await untilWell(world.stack, CONVERGES_WITHIN);
  if (wrong.length === 0) await scenario.holds(world, member, memory);
  const milliseconds = Date.now() - began;
  await world.operator('GET', '/v1/admin/gateways');
  const present = (await world.api.call('GET', `/v1/members/${member}`)).status === 200;
  if (present)
    await world.succeeded(await world.change('POST', `/v1/members/${member}/erase`, undefined, `${member}-leave`));
  return { scenario: scenario.name, point, fault: fault.name, milliseconds, wrong };
}

interface Scene {
  readonly world: World;
  readonly faults: readonly Fault[];
  readonly end: () => Promise<unknown>;
}

const faultsOf = (what: string, cut: Cut): Fault[] => [
  { name: `${what} refuses`, begin: () => cut.refuse(), end: () => cut.mend() },
  { name: `${what} hangs`, begin: () => cut.hang(), end: () => cut.mend() },
];

async function withoutDatabaseOrRedis(): Promise<Scene> {
  const database = await Cut.before(addressOf(parts.database!));
  const redis = await Cut.before(addressOf(parts.redis!));
  const env = { REDIS_URL: `redis://127.0.0.1:${redis.port}` };
  const world = await World.start('process', { env, databaseThrough: database });
  const end = () => Promise.all([database.close(), redis.close()]);
  return { world, faults: [...faultsOf('PostgreSQL', database), ...faultsOf('Redis', redis)], end };
}

async function withoutEngine(): Promise<Scene> {
  const socket = `/tmp/wb-engine-${process.pid}.sock`;
  const engine = await Cut.before({ path: parts.docker! }, socket);
  const world = await World.start('docker', { env: { DOCKER_HOST: `unix://${socket}` } });
  return { world, faults: faultsOf('the engine', engine), end: () => engine.close() };
}

const scenes = [
  ['database and Redis', withoutDatabaseOrRedis],
  ...(parts.docker ? [['the container engine', withoutEngine] as const] : []),
] as const;

describe.each(scenes)('changes while %s cannot be reached', (name, start) => {
  let scene: Scene;
  const cells: Cell[] = [];

  beforeAll(async () => {
    scene = await start();
  });

  afterAll(async () => {
    await writeMatrix(`without ${name}`.replaceAll(' ', '-'), cells);
    await scene?.world.dispose();
    await scene?.end();
  });

  it.each(changes)('$name', { timeout: 600_000 }, async (change) => {
    for (const fault of scene.faults) cells.push(await through(scene.world, change, fault));
    expect(cells.filter((cell) => cell.scenario === change.name && cell.wrong.length > 0)).toEqual([]);
  });
});
