import { execFile } from 'node:child_process';
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import Docker from 'dockerode';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { GatewayCredentials } from '../support/credentials.js';
import { Api } from '../support/api.js';
import { chat } from '../support/chat.js';
import { type Model, PLATFORM_KEY, startModel } from '../support/model.js';
import { parts, TestStack } from '../support/stack.js';

const run = promisify(execFile);

describe.skipIf(!parts.docker)('a dedicated gateway in its container', () => {
  let model: Model;
  let stack: TestStack;
  let api: Api;
  let docker: Docker;
  let gatewayId: string;
  let container: Docker.Container;
  let secrets: string[];

  beforeAll(async () => {
    model = await startModel();
    stack = await TestStack.start({ driver: 'docker', env: model.env });
    api = new Api(stack.file);
    docker = new Docker({ socketPath: parts.docker! });
    const member = await api.provisioned('sol', 'sovereign');
    gatewayId = member.gateway!.id;
    await chat(await api.token('sol'), 'hello');
    const [found] = await docker.listContainers({
      filters: JSON.stringify({ label: [`wirebot.gateway=${gatewayId}`] }),
    });
    container = docker.getContainer(found!.Id);
    const rows = await stack.database.query<{ id: string }>('SELECT id FROM agents');
    secrets = [...(await GatewayCredentials.of(stack.dataDir)).all(gatewayId, rows[0]!.id), PLATFORM_KEY];
  });

  afterAll(async () => {
    await stack.dispose();
    await model.api.close();
  });

  it('runs as nobody special: non-root, read-only root, no capabilities, no new privileges, with limits', async () => {
    const { Config, HostConfig } = await container.inspect();
    expect(Config.User).toMatch(/^(?!0)\d+:(?!0)\d+$/);
    expect(HostConfig.ReadonlyRootfs).toBe(true);
    expect(HostConfig.CapDrop).toEqual(['ALL']);
    expect(HostConfig.CapAdd ?? []).toEqual([]);
    expect(HostConfig.Privileged).toBe(false);
    expect(HostConfig.SecurityOpt).toContain('no-new-privileges');
    expect(HostConfig.Memory).toBe(512 * 1024 * 1024);
    expect(HostConfig.NanoCpus).toBe(1e9);
    expect(HostConfig.PidsLimit).toBe(256);
    expect(HostConfig.PortBindings ?? {}).toEqual({});
  });

  it('sits on an internal network without traffic between gateways', async () => {
    const { NetworkSettings } = await container.inspect();
    const [name] = Object.keys(NetworkSettings.Networks);
    const network = await docker.getNetwork(name!).inspect();
    expect(network.Internal).toBe(true);
    expect(network.Options).toMatchObject({ 'com.docker.network.bridge.enable_icc': 'false' });
  });

  it('shows no secret in inspect, image, environment or logs', async () => {
    const inspected = JSON.stringify(await container.inspect());
    const image = await docker.getImage((await container.inspect()).Image);
    const history = JSON.stringify([await image.inspect(), await image.history()]);
    const logs = (await container.logs({ stdout: true, stderr: true, follow: false })).toString();
    const { pid } = await container.inspect().then(({ State }) => ({ pid: State.Pid }));
    const environment = (await run('cat', [`/proc/${pid}/environ`])).stdout;
    for (const secret of secrets) {
      for (const text of [inspected, history, logs, environment]) expect(text).not.toContain(secret);
    }
    expect(logs).not.toContain('hello');
  });

  it('keeps its state at 700 and 600', async () => {
    const state = join(stack.dataDir, 'gateways', gatewayId);
    expect((await stat(state)).mode & 0o777).toBe(0o700);
    expect((await stat(join(state, 'gateway.json'))).mode & 0o777).toBe(0o600);
    const { stdout } = await run('find', [state, '-perm', '/077']);
    expect(stdout).toBe('');
  });

  it('reaches the broker and nothing else: no control plane, no other gateway, no way out', async () => {
    const other = await api.provisioned('tom', 'sovereign');
    const rows = await stack.database.query<{ address: { host: string; port: number } }>(
      'SELECT address FROM gateways WHERE id = $1',
      [other.gateway!.id],
    );
    const { address } = rows[0]!;
    const [name] = Object.keys((await container.inspect()).NetworkSettings.Networks);
    const network = await docker.getNetwork(name!).inspect();
    const bridge = (network.IPAM!.Config![0] as { Gateway: string }).Gateway;
    const controlPlane = Number(new URL(stack.file.controlPlane.url).port);
    const broker = Number(
      (JSON.parse(await readFile(join(stack.dataDir, 'ports.json'), 'utf8')) as { broker: number }).broker,
    );
    const reach = async (host: string, port: number): Promise<string> => {
      const code = `const s=require('net').connect({host:'${host}',port:${port},timeout:1500});s.on('connect',()=>{console.log('open');process.exit()});s.on('timeout',()=>{console.log('closed');process.exit()});s.on('error',()=>{console.log('closed');process.exit()})`;
      const exec = await container.exec({ Cmd: ['node', '-e', code], AttachStdout: true, AttachStderr: true });
      const stream = await exec.start({});
      let text = '';
      for await (const chunk of stream) text += (chunk as Buffer).toString();
      return text.includes('open') ? 'open' : 'closed';
    };
    expect(await reach(bridge, broker)).toBe('open');
    expect(await reach(bridge, controlPlane)).toBe('closed');
    expect(await reach(address.host, address.port)).toBe('closed');
    expect(await reach('192.0.2.1', 80)).toBe('closed');
  });
});
