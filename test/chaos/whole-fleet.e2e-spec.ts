import { execFile } from 'node:child_process';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { killGateway, runningGateways } from '../support/gateways.js';
import { type DriverName, drivers } from '../support/stack.js';
import { untilWell } from './support/faults.js';
import { type Cell, writeMatrix } from './support/matrix.js';
import { World } from './support/world.js';

const run = promisify(execFile);

/** Few by default, so that every test run has it; `WIREBOT_TEST_GATEWAYS=500` and `WIREBOT_TEST_CONTAINERS=60` for the real thing. */
const COUNT: Record<DriverName, number> = {
  process: Number(process.env['WIREBOT_TEST_GATEWAYS'] ?? 16),
  docker: Number(process.env['WIREBOT_TEST_CONTAINERS'] ?? 6),
};
const TOGETHER = 8;
/** A gateway takes about a third of a second of a processor to start; the rest is patience. */
const limitOf = (count: number): number => 60_000 + count * 2_000;

async function each(names: readonly string[], work: (name: string) => Promise<unknown>): Promise<void> {
  const rest = [...names];
  const lane = async (): Promise<void> => {
    for (let name = rest.shift(); name !== undefined; name = rest.shift()) await work(name);
  };
  await Promise.all(Array.from({ length: TOGETHER }, lane));
}

describe.each(drivers)('a fleet of gateways on the %s driver', (driver) => {
  const names = Array.from({ length: COUNT[driver] }, (_, index) => `g${index}`);
  const limit = limitOf(names.length);
  let world: World;
  const cells: Cell[] = [];

  beforeAll(async () => {
    const last = 40_000 + names.length * 2 + 40;
    world = await World.start(driver, { env: { WIREBOT_GATEWAY_PORTS: `40000-${last}` } });
    await each(names, async (name) => world.succeeded(await world.put(name, 'sovereign')));
  }, limit * 4);

  afterAll(async () => {
    await writeMatrix(`fleet-${driver}`, cells);
    await world?.dispose();
  }, limit);

  const expectWell = async (fault: string, began: number): Promise<void> => {
    const wrong = await untilWell(world.stack, limit);
    const scenario = `${names.length} gateways`;
    cells.push({ scenario, point: 'ready', fault, milliseconds: Date.now() - began, wrong });
    expect(wrong).toEqual([]);
    expect(await runningGateways(world.stack)).toHaveLength(names.length);
  };

  it('is whole after everything and every gateway was killed at once', { timeout: limit * 2 }, async () => {
    const ids = await runningGateways(world.stack);
    await world.stack.killAll();
    await Promise.all(ids.map((id) => killGateway(world.stack, id)));
    const began = Date.now();
    await world.stack.up();
    await expectWell('kill -9 of all processes', began);
    await world.say(names[0]!, 'still there?');
    await world.say(names.at(-1)!, 'and you?');
  });

  it('is whole after only the platform was killed: no gateway is started again', { timeout: limit * 2 }, async () => {
    const before = await runningGateways(world.stack);
    await world.stack.killAll();
    const began = Date.now();
    await world.stack.up();
    await expectWell('kill -9 of the platform', began);
    expect((await runningGateways(world.stack)).toSorted()).toEqual(before.toSorted());
  });
});

describe.runIf(process.getuid?.() === 0)('a disk that is full', () => {
  let world: World;
  let folder: string;

  beforeAll(async () => {
    world = await World.start('process', { env: { WIREBOT_OPERATION_DEADLINE_SECONDS: '20' } });
    folder = join(world.stack.dataDir, 'gateways');
    await mkdir(folder, { recursive: true, mode: 0o700 });
    await run('mount', ['-t', 'tmpfs', '-o', 'size=24m,mode=700', 'tmpfs', folder]);
  });

  afterAll(async () => {
    await world.stack.down();
    await run('umount', ['-l', folder]).catch(() => undefined);
    await world.dispose();
  });

  const fill = () =>
    run('fallocate', ['-l', '24m', join(folder, '.filler')]).catch(() =>
      run('dd', ['if=/dev/zero', `of=${join(folder, '.filler')}`, 'bs=64k']).catch(() => undefined),
    );
  const free = () => run('rm', ['-f', join(folder, '.filler')]);

  it('is named while it lasts, half-makes nothing, and is got over by itself', async () => {
    await world.succeeded(await world.put('ann', 'sovereign'));
    const session = await world.say('ann', 'while there is room');
    await fill();
    const operation = await world.put('ben', 'sovereign');
    const ended = await world.api.finished(operation!, 60_000);
    expect(ended).toMatchObject({ status: 'failed' });
    expect(ended.error?.message).toMatch(/space|disk|full/i);
    await free();
    expect(await untilWell(world.stack, 120_000)).toEqual([]);
    await world.say('ben', 'now there is');
    await world.say('ann', 'here too', session);
    await world.answeredOnce('ann', session, ['while there is room', 'here too']);
  });
});
