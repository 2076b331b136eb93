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
import { drivers, parts, TestStack } from '../support/stack.js';

const LIMIT_MS = 60_000;
const MB = 1024 ** 2;

interface Pool {
  readonly status: {
    readonly ready: number;
    readonly changing: number;
    readonly gateways: readonly { readonly id: string; readonly phase: string }[];
  };
}

describe.each(drivers)('gateways made ahead (%s)', (driver) => {
  let model: Model;
  let stack: TestStack;
  let api: Api;
  let operator: Api;

  beforeAll(async () => {
    model = await startModel();
    stack = await TestStack.start({ driver, env: model.env });
    api = new Api(stack.file);
    operator = await operatorKey(stack.file, ['gateways:read', 'gateways:write'], stack.file.tenant.id);
  });
  afterAll(async () => {
    await stack.dispose();
    await model.api.close();
  });

  const want = async (size: number): Promise<void> => {
    const settings = { size, quietSeconds: 0, memoryHeadroomMb: 0 };
    const { status, body } = await operator.call('PUT', '/v1/admin/warm-pool', settings);
    if (status !== 200) throw new Error(`PUT answered ${status}: ${JSON.stringify(body)}`);
  };
  /** Ids of those that are ready, once there are exactly so many. */
  const filled = async (size: number): Promise<string[]> => {
    const end = Date.now() + LIMIT_MS;
    for (;;) {
      const { status } = (await operator.call<Pool>('GET', '/v1/admin/warm-pool')).body;
      if (status.ready === size && status.changing === 0) return status.gateways.map(({ id }) => id);
      if (Date.now() > end) throw new Error(`not filled: ${JSON.stringify(status)}`);
      await delay(50);
    }
  };
  const secretsOf = async (id: string): Promise<string[]> => {
    const instance = (await readFile(join(stack.dataDir, 'instance'), 'utf8')).trim();
    return (await readdir(join(await defaultSecretsRoot(instance), id))).toSorted();
  };
  const containerOf = async (id: string): Promise<Docker.ContainerInspectInfo> => {
    const docker = new Docker({ socketPath: parts.docker! });
    const [found] = await docker.listContainers({
      all: true,
      filters: JSON.stringify({ label: [`wirebot.gateway=${id}`] }),
    });
    return docker.getContainer(found!.Id).inspect();
  };

  it('wait without an identity, and become a member’s own who is then answered', async () => {
    await want(1);
    const [warm] = await filled(1);
    expect(await secretsOf(warm!)).toEqual(['claim']);
    expect(await runningGateways(stack)).toEqual([warm]);

    const member = await api.provisioned('sol', 'sovereign');
    expect(member.gateway).toMatchObject({ id: warm, kind: 'dedicated', phase: 'ready' });
    expect((await chat(await api.token('sol'), 'good morning')).text).toContain('good morning');
    expect(await secretsOf(warm!)).toEqual(['agents', 'control']);
    const [next] = await filled(1);
    expect(next).not.toBe(warm);
    expect((await runningGateways(stack)).toSorted()).toEqual([warm, next].toSorted());
  });

  it('take their place in the life of a member: the claimed one keeps its state through a restart and goes at last', async () => {
    const { gateway } = await api.provisioned('sol', 'sovereign');
    const { body } = await operator.call('POST', `/v1/admin/gateways/${gateway!.id}/restart`);
    expect(body).toEqual({ accepted: true });
    expect((await chat(await api.token('sol'), 'still there?')).text).toContain('still there?');
    const erased = await api.call<{ operation: { id: string } }>('POST', '/v1/members/sol/erase');
    expect(await api.finished(erased.body.operation.id)).toMatchObject({ status: 'succeeded' });
    await want(0);
    await filled(0);
    const end = Date.now() + LIMIT_MS;
    while ((await runningGateways(stack)).length > 0 && Date.now() < end) await delay(50);
    expect(await runningGateways(stack)).toEqual([]);
  });

  it.runIf(driver === 'docker')('are frozen containers that get the tier’s limits when they are claimed', async () => {
    const kinds = [{ cpus: 0.5, memoryMb: 512, pids: 100 }];
    const settings = { size: 1, quietSeconds: 0, memoryHeadroomMb: 0, kinds };
    expect((await operator.call('PUT', '/v1/admin/warm-pool', settings)).status).toBe(200);
    const [warm] = await filled(1);
    const before = await containerOf(warm!);
    expect(before.State.Status).toBe('paused');
    expect(before.HostConfig).toMatchObject({ Memory: 512 * MB, NanoCpus: 5e8, PidsLimit: 100 });
    const { gateway } = await api.provisioned('tom', 'sovereign');
    expect(gateway!.id).toBe(warm);
    const after = await containerOf(warm!);
    expect(after.State).toMatchObject({ Status: 'running', StartedAt: before.State.StartedAt, Pid: before.State.Pid });
    expect(after.HostConfig).toMatchObject({ Memory: 512 * MB, NanoCpus: 1e9, PidsLimit: 256 });
    expect(JSON.stringify(after)).not.toContain(stack.file.tenant.id);
  });
});
