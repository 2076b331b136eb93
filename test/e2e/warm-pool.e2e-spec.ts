import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import Docker from 'dockerode';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { defaultSecretsRoot } from '#libs/drivers/core';
import { delay } from '#libs/kernel';
import { Api } from '../support/api.js';
import { chat } from '../support/chat.js';
import { runningGateways } from '../support/gateways.js';
import { type Model, startModel } from '../support/model.js';
import { operatorKey } from '../support/other-tenant.js';
import { type DriverName, drivers, parts, TestStack } from '../support/stack.js';

const LIMIT_MS = 60_000;
const MB = 1024 ** 2;

interface PoolView {
  readonly status: {
    readonly ready: number;
    readonly changing: number;
    readonly gateways: readonly { readonly id: string; readonly phase: string }[];
  };
}

/** A stack whose pool is filled at once. */
class World {
  private constructor(
    readonly model: Model,
    readonly stack: TestStack,
    readonly operator: Api,
  ) {}

  static async start(driver: DriverName): Promise<World> {
    const model = await startModel();
    const stack = await TestStack.start({ driver, env: model.env });
    const scopes = ['gateways:read', 'gateways:write'];
    return new World(model, stack, await operatorKey(stack.file, scopes, stack.file.tenant.id));
  }

  get api(): Api {
    return new Api(this.stack.file);
  }

  /** Ids of those that are ready, once there are exactly so many. */
  async filled(size: number, more: object = {}): Promise<string[]> {
    const settings = { size, quietSeconds: 0, memoryHeadroomMb: 0, ...more };
    const put = await this.operator.call('PUT', '/v1/admin/warm-pool', settings);
    if (put.status !== 200) throw new Error(`PUT answered ${put.status}: ${JSON.stringify(put.body)}`);
    const end = Date.now() + LIMIT_MS;
    for (;;) {
      const { status } = (await this.operator.call<PoolView>('GET', '/v1/admin/warm-pool')).body;
      if (status.ready === size && status.changing === 0) return status.gateways.map(({ id }) => id);
      if (Date.now() > end) throw new Error(`not filled: ${JSON.stringify(status)}`);
      await delay(50);
    }
  }

  /** Names in the gateway's secrets directory. */
  async secretsOf(id: string): Promise<string[]> {
    const instance = (await readFile(join(this.stack.dataDir, 'instance'), 'utf8')).trim();
    return (await readdir(join(await defaultSecretsRoot(instance), id))).toSorted();
  }

  async dispose(): Promise<void> {
    await this.stack.dispose();
    await this.model.api.close();
  }
}

describe.each(drivers)('gateways made ahead (%s)', (driver) => {
  let world: World;

  beforeAll(async () => {
    world = await World.start(driver);
  });
  afterAll(() => world.dispose());

  it('wait without an identity, and become a member’s own who is then answered', async () => {
    const { api, stack } = world;
    const [warm] = await world.filled(1);
    expect(await world.secretsOf(warm!)).toEqual(['claim']);
    expect(await runningGateways(stack)).toEqual([warm]);

    const member = await api.provisioned('sol', 'sovereign');
    expect(member.gateway).toMatchObject({ id: warm, kind: 'dedicated', phase: 'ready' });
    expect((await chat(await api.token('sol'), 'good morning')).text).toContain('good morning');
    expect(await world.secretsOf(warm!)).toEqual(['agents', 'control']);
    const [next] = await world.filled(1);
    expect(next).not.toBe(warm);
    expect((await runningGateways(stack)).toSorted()).toEqual([warm, next].toSorted());
  });

  it('live like any other once they are claimed: restarted with their state, and gone with the member', async () => {
    const { api, operator, stack } = world;
    const { gateway } = await api.provisioned('sol', 'sovereign');
    const { body } = await operator.call('POST', `/v1/admin/gateways/${gateway!.id}/restart`);
    expect(body).toEqual({ accepted: true });
    expect((await chat(await api.token('sol'), 'still there?')).text).toContain('still there?');
    const erased = await api.call<{ operation: { id: string } }>('POST', '/v1/members/sol/erase');
    expect(await api.finished(erased.body.operation.id)).toMatchObject({ status: 'succeeded' });
    await world.filled(0);
    const end = Date.now() + LIMIT_MS;
    while ((await runningGateways(stack)).length > 0 && Date.now() < end) await delay(50);
    expect(await runningGateways(stack)).toEqual([]);
  });
});

describe.skipIf(!parts.docker)('a container made ahead', () => {
  let world: World;

  beforeAll(async () => {
    world = await World.start('docker');
  });
  afterAll(() => world.dispose());

  const containerOf = async (id: string): Promise<Docker.ContainerInspectInfo> => {
    const docker = new Docker({ socketPath: parts.docker! });
    const filters = JSON.stringify({ label: [`wirebot.gateway=${id}`] });
    const [found] = await docker.listContainers({ all: true, filters });
    return docker.getContainer(found!.Id).inspect();
  };

  it('is frozen, and gets the tier’s limits when it is claimed, without a restart', async () => {
    const [warm] = await world.filled(1, { kinds: [{ cpus: 0.5, memoryMb: 512, pids: 100 }] });
    const before = await containerOf(warm!);
    expect(before.State.Status).toBe('paused');
    expect(before.HostConfig).toMatchObject({ Memory: 512 * MB, NanoCpus: 5e8, PidsLimit: 100 });
    const { gateway } = await world.api.provisioned('tom', 'sovereign');
    expect(gateway!.id).toBe(warm);
    const after = await containerOf(warm!);
    const { StartedAt, Pid } = before.State;
    expect(after.State).toMatchObject({ Status: 'running', StartedAt, Pid });
    expect(after.HostConfig).toMatchObject({ Memory: 512 * MB, NanoCpus: 1e9, PidsLimit: 256 });
    expect(JSON.stringify(after)).not.toContain(world.stack.file.tenant.id);
  });
});
