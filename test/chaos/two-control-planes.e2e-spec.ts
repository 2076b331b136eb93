import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { delay } from '#libs/kernel';
import { Api } from '../support/api.js';
import { untilWell } from './support/faults.js';
import { CONVERGES_WITHIN } from './support/run-scenario.js';
import { World } from './support/world.js';

const MAIN = resolve(import.meta.dirname, '../../dist/apps/control-plane/src/main.js');

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, 'close');
  return port;
}

/** Another control plane on the same database and host, as on a second machine: same configuration, its own name and port. */
class SecondPlane {
  private constructor(
    private readonly child: ChildProcess,
    readonly api: Api,
  ) {}

  static async beside(world: World): Promise<SecondPlane> {
    const { stack } = world;
    const stored = JSON.parse(await readFile(join(stack.dataDir, 'environment.json'), 'utf8')) as Record<
      string,
      string
    >;
    const port = await freePort();
    const { WIREBOT_STEP_DRILL: _drill, ...environment } = stored;
    const env = {
      PATH: process.env['PATH'] ?? '',
      ...environment,
      WIREBOT_CONTROL_PLANE_PORT: String(port),
      WIREBOT_NODE_NAME: 'second',
      WIREBOT_LOG_LEVEL: 'warn',
    };
    const child = spawn(process.execPath, [MAIN], { env, stdio: ['ignore', 'inherit', 'inherit'] });
    const url = `http://127.0.0.1:${port}`;
    const api = new Api({ ...stack.file, controlPlane: { url } });
    const end = Date.now() + 30_000;
    while ((await fetch(`${url}/ready`).catch(() => undefined))?.status !== 200) {
      if (Date.now() > end) throw new Error('the second control plane did not become ready');
      await delay(50);
    }
    return new SecondPlane(child, api);
  }

  async kill(): Promise<void> {
    const ended = once(this.child, 'exit');
    this.child.kill('SIGKILL');
    await ended;
  }
}

/** Steps at which a pass has just changed something, and the next one would. */
const MOMENTS = [
  'gateway pending > creating',
  'gateway creating ensured',
  'gateway starting configured',
  'agent waiting > attaching',
  'agent attaching > ready',
];
const MOVING = ['agent ready > moving', 'agent moving copied', 'agent moving > attaching', 'agent ready released'];

describe('two control planes at once', () => {
  let world: World;
  let second: SecondPlane;

  beforeAll(async () => {
    world = await World.start('process', { env: { WIREBOT_LEASE_SECONDS: '4' } });
    second = await SecondPlane.beside(world);
  });

  afterAll(async () => {
    await second?.kill();
    await world?.dispose();
  });

  const expectWell = async (): Promise<void> => expect(await untilWell(world.stack, CONVERGES_WITHIN)).toEqual([]);

  it('share the work: what is asked of either is done once', async () => {
    const names = Array.from({ length: 12 }, (_, index) => `s${index}`);
    const sides = [world.api, second.api];
    await Promise.all(
      names.map(async (name, index) => sides[index % 2]!.provisioned(name, index % 3 === 0 ? 'sovereign' : 'freewire')),
    );
    await expectWell();
    const moves = names.map((name, index) =>
      sides[(index + 1) % 2]!.provisioned(name, index % 3 === 0 ? 'wire' : 'sovereign'),
    );
    await Promise.all(moves);
    await expectWell();
    for (const name of names) await world.say(name, `are you there, ${name}?`);
  });

  it('go on alone when the other is killed in the middle of it', async () => {
    const change = await world.api.put('k0', 'sovereign');
    await second.kill();
    await world.succeeded(change.body.operation?.id);
    second = await SecondPlane.beside(world);
    const other = await second.api.put('k1', 'sovereign');
    world.stack.kill('control-plane');
    expect(await second.api.finished(other.body.operation!.id)).toMatchObject({ status: 'succeeded' });
    await expectWell();
    await world.stack.reread();
  });

  /** The first one stands still there; the second goes on, and further; then the first wakes up with what it knew. */
  const expectFrozenAt = async (
    point: string,
    act: () => Promise<string | undefined>,
    further: () => Promise<void>,
  ) => {
    await world.drill.clear();
    await world.drill.plan(point, 'freeze');
    // Only the first knows the drill: as long as the second gets the work, it is asked again.
    const operation = await act();
    const frozen = await world.drill.untilOver(20_000);
    if (!frozen) await world.drill.clear();
    try {
      if (operation) expect(await second.api.finished(operation, 90_000)).toMatchObject({ status: 'succeeded' });
      await further();
    } finally {
      // The supervisor may have started another one since its pid was read.
      process.kill((await world.stack.reread()).pids['control-plane']!, 'SIGCONT');
    }
    await delay(1_000); // what it held back comes now
    await expectWell();
    expect(frozen).toBe(true);
  };

  it.each(MOMENTS)('one that was frozen at "%s" overwrites nothing when it wakes up', async (point) => {
    const name = `f${MOMENTS.indexOf(point)}`;
    await expectFrozenAt(
      point,
      () => world.put(name, 'sovereign'),
      async () => {
        const paused = await second.api.call<{ operation: { id: string } }>('POST', `/v1/members/${name}/pause`);
        expect(await second.api.finished(paused.body.operation.id)).toMatchObject({ status: 'succeeded' });
      },
    );
    expect((await world.member(name)).status).toBe('paused');
  });

  it.each(MOVING)('one that was frozen at "%s" loses no message of an agent that moves', async (point) => {
    const name = `v${MOVING.indexOf(point)}`;
    await world.succeeded(await world.put(name, 'freewire'));
    const session = await world.say(name, 'before it froze');
    await expectFrozenAt(
      point,
      () => world.put(name, 'sovereign'),
      async () => {
        const token = (await second.api.call<{ token: string }>('POST', '/v1/tokens', { member: name, surface: 'web' }))
          .body;
        expect(token.token).toBeTruthy();
      },
    );
    await world.say(name, 'after it woke up', session);
    await world.answeredOnce(name, session, ['before it froze', 'after it woke up']);
  });
});
