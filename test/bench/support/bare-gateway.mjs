import { spawn } from 'node:child_process';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Docker from 'dockerode';
import { defaultSecretsRoot, ensurePrivateDirectory, writeSecretsDirectory } from '#libs/drivers/core';
import { DockerDriver } from '#libs/drivers/docker';
import { TIER_TEMPLATES } from '#libs/trust';
import { BUNDLE, built, end, freePort, GATEWAY_ENVIRONMENT, GATEWAY_FLAGS, healthyAt } from './processes.mjs';

const INSTANCE = `bench${process.pid}`;
const PORTS = { from: 33_000, to: 33_998 };
const SECRETS = { control: 'benchmark-control' };
const soon = () => AbortSignal.timeout(60_000);

/**
 * The floor of dedicated provisioning: the same gateway, created, started and booted with nothing around it. Answers a
 * function that does it once and tells the milliseconds of each part.
 */
export const bareGateway = (defer, stack) =>
  stack.host.driver === 'docker' ? bareContainer(defer, stack) : bareProcess(defer);

async function bareContainer(defer, { host, instance }) {
  // The driver's own contract: reached by file because it is nobody else's business.
  const { containerOptions } = await import(built('libs', 'drivers', 'docker', 'src', 'container-spec.js'));
  const { parseSubnet, slotAddress } = await import(built('libs', 'drivers', 'docker', 'src', 'subnets.js'));
  const docker = new Docker({ socketPath: host.socketPath });
  const state = await mkdtemp(join(tmpdir(), 'bench-floor-'));
  const secretsRoot = await defaultSecretsRoot(INSTANCE);
  const user = { uid: 10_001, gid: 10_001 };
  const places = { instance: INSTANCE, stateRoot: state, secretsRoot, ports: PORTS, user };
  const driver = new DockerDriver({ ...places, engine: { kind: 'unix', socketPath: host.socketPath } });
  const network = `wirebot-${INSTANCE}`;
  defer(async () => {
    for (const { id } of await driver.list(soon())) await driver.remove(id, soon());
    await docker.getNetwork(network).remove();
    await rm(state, { recursive: true, force: true });
    await rm(join(secretsRoot, '..'), { recursive: true, force: true });
  });
  await driver.prepare(soon());
  const subnet = parseSubnet((await docker.getNetwork(network).inspect()).IPAM.Config[0].Subnet);
  const image = await imageOf(docker, instance);
  const { cpus, memoryMb, pids } = TIER_TEMPLATES.network.tiers.find(
    ({ placement }) => placement === 'dedicated',
  ).resources;

  return async (round) => {
    const id = `gw_floor${round}`;
    const port = PORTS.from + round * 2;
    const resources = { cpus, memoryBytes: memoryMb * 1024 ** 2, pids };
    const identity = { id, kind: 'dedicated', runtime: 'wirebot', generation: 1, image };
    const spec = { ...identity, port, controlPort: port + 1, resources, environment: {}, secrets: {} };
    const folders = { stateDirectory: join(state, id), secretsDirectory: join(secretsRoot, id) };
    const address = slotAddress(subnet, round);
    await ensurePrivateDirectory(folders.stateDirectory, user);
    await writeSecretsDirectory(folders.secretsDirectory, SECRETS, user);
    const began = performance.now();
    const container = await docker.createContainer(
      containerOptions(spec, {
        name: `wirebot-${INSTANCE}-${id}`,
        instance: INSTANCE,
        network,
        address,
        user,
        ...folders,
      }),
    );
    const created = performance.now();
    await container.start();
    const started = performance.now();
    const healthy = await healthyAt(`http://${address}:${port}/health`);
    await container.remove({ force: true, v: true });
    return { create: created - began, start: started - created, boot: healthy - started, whole: healthy - began };
  };
}

/** The image the stack runs, read from a gateway of it: whatever built it. */
async function imageOf(docker, instance) {
  const filters = JSON.stringify({ label: [`wirebot.instance=${instance}`] });
  const [container] = await docker.listContainers({ filters });
  return container.ImageID;
}

async function bareProcess(defer) {
  const folder = await mkdtemp(join(tmpdir(), 'bench-floor-'));
  defer(() => rm(folder, { recursive: true, force: true }));
  return async (round) => {
    const [state, secrets] = [join(folder, `state-${round}`), join(folder, `secrets-${round}`)];
    await mkdir(state);
    await writeSecretsDirectory(secrets, SECRETS, { uid: process.getuid(), gid: process.getgid() });
    const [port, controlPort] = [await freePort(), await freePort()];
    const env = {
      ...GATEWAY_ENVIRONMENT,
      PATH: process.env.PATH,
      WIREBOT_GATEWAY_ID: `gw_floor${round}`,
      WIREBOT_STATE_DIR: state,
      WIREBOT_SECRETS_DIR: secrets,
      WIREBOT_LISTEN_HOST: '127.0.0.1',
      WIREBOT_PORT: String(port),
      WIREBOT_CONTROL_PORT: String(controlPort),
    };
    const began = performance.now();
    const child = spawn(process.execPath, [...GATEWAY_FLAGS, BUNDLE], { env, stdio: 'ignore' });
    const started = performance.now();
    try {
      const healthy = await healthyAt(`http://127.0.0.1:${port}/health`, child);
      return { create: 0, start: started - began, boot: healthy - started, whole: healthy - began };
    } finally {
      await end(child);
    }
  };
}
