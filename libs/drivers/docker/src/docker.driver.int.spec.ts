import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { GatewayAddress, GatewaySpec } from '#libs/drivers/core';
import {
  ask,
  cuttingProxy,
  describeGatewayDriver,
  describeUnreachableEngine,
  eventually,
  randomInstance,
  specOf,
  untilHealthy,
} from '#libs/testing';
import { DockerDriver } from './docker.driver.js';
import { createDockerLab, type DockerLab, LAB_PORTS, LAB_USER } from './testing/docker-lab.js';
import { describeIsolation } from './testing/isolation-suite.js';

const SOCKET = process.env['WIREBOT_TEST_DOCKER_SOCKET'];
const soon = (): AbortSignal => AbortSignal.timeout(60_000);

/** `npm test` starts an engine and names it here. */
const createLab = (): Promise<DockerLab> => {
  if (!SOCKET) throw new Error('WIREBOT_TEST_DOCKER_SOCKET names no engine: `npm test` starts one and names it there.');
  return createDockerLab({ socketPath: SOCKET });
};

describe.skipIf(!SOCKET && !process.env['CI'])('with the engine that WIREBOT_TEST_DOCKER_SOCKET names', () => {
  describeGatewayDriver('DockerDriver', createLab);
  describeIsolation('Docker', createLab);

  describe('a gateway container', () => {
    let lab: DockerLab;
    let spec: GatewaySpec;
    let address: GatewayAddress;
    let hostAddress: string;
    const inspect = () => lab.docker.getContainer(`wirebot-${lab.instance}-${spec.id}`).inspect();

    beforeAll(async () => {
      lab = await createLab();
      ({ hostAddressForGateways: hostAddress } = await lab.driver.prepare(soon()));
      spec = specOf(lab, {
        secrets: { 'control-key': 'canary-7c1f' },
        resources: { cpus: 0.5, memoryBytes: 160 * 1024 * 1024, pids: 48 },
      });
      address = await lab.driver.ensure(spec, soon());
      await untilHealthy(address);
    });
    afterAll(async () => {
      await lab?.driver.remove(spec.id, soon());
      await lab?.close();
    });

    it('runs without root, capabilities or a writable root, within its limits', async () => {
      const { Config, HostConfig } = await inspect();
      expect(Config.User).toBe('10001:10001');
      expect(HostConfig).toMatchObject({
        ReadonlyRootfs: true,
        CapDrop: ['ALL'],
        SecurityOpt: ['no-new-privileges'],
        PidsLimit: 48,
        Memory: 160 * 1024 * 1024,
        MemorySwap: 160 * 1024 * 1024,
        NanoCpus: 500_000_000,
        RestartPolicy: { Name: 'on-failure', MaximumRetryCount: 5 },
        LogConfig: { Type: 'json-file', Config: { 'max-size': '5m', 'max-file': '2' } },
        Privileged: false,
      });
      expect(await ask(address, '/identity')).toMatchObject({ uid: 10_001, gid: 10_001 });
    });

    it('can write to its state and a temporary folder and nowhere else', async () => {
      const attempts = ['/app/x', '/etc/x', '/run/secrets/wirebot/x', '/tmp/x', '/state/x'];
      const results = await Promise.all(
        attempts.map(async (path) => (await ask<{ result: string }>(address, '/write', { path })).result),
      );
      expect(results).toEqual(['EROFS', 'EROFS', 'EROFS', 'done', 'done']);
    });

    it('is ended by the kernel when it takes more memory than it was given, and comes back', async () => {
      const before = (await inspect()).State.StartedAt;
      expect(await ask(address, '/fill', { bytes: String(32 * 1024 * 1024) })).toEqual({ bytes: 32 * 1024 * 1024 });
      await expect(ask(address, '/fill', { bytes: String(512 * 1024 * 1024) })).rejects.toThrow('fetch failed');
      const after = await eventually('it was restarted', async () => {
        const { State, RestartCount } = await inspect();
        return State.Running && State.StartedAt !== before && RestartCount;
      });
      expect(after).toBe(1);
      await untilHealthy(address);
    });

    it('sits at the address its port decides, on an internal network without traffic between containers', async () => {
      const { NetworkSettings } = await inspect();
      expect(Object.keys(NetworkSettings.Networks)).toEqual([`wirebot-${lab.instance}`]);
      const network = await lab.docker.getNetwork(`wirebot-${lab.instance}`).inspect();
      expect(network).toMatchObject({ Internal: true, Options: { 'com.docker.network.bridge.enable_icc': 'false' } });
      const slot = (spec.port - LAB_PORTS.from) / 2;
      const [a, b, c, d] = hostAddress.split('.').map(Number) as [number, number, number, number];
      expect(address.host).toBe(`${a}.${b}.${c}.${d + 1 + slot}`);
      expect(NetworkSettings.Networks[`wirebot-${lab.instance}`]!.IPAddress).toBe(address.host);
    });

    it('shows no secret to whoever may use the engine', async () => {
      expect(await ask(address, '/secret', { name: 'control-key' })).toEqual({ value: 'canary-7c1f' });
      const container = await inspect();
      const history: unknown = await lab.docker.getImage(container.Image).history();
      const logs = await lab.driver.logs(spec.id, 1_000, soon());
      expect(JSON.stringify([container, history, logs, await lab.docker.listContainers({ all: true })])).not.toContain(
        'canary-7c1f',
      );
    });

    it('may not share an address with another gateway', async () => {
      const twin = specOf(lab, { port: spec.port });
      await expect(lab.driver.ensure(twin, soon())).rejects.toMatchObject({ code: 'port-in-use', retryable: false });
      await lab.driver.remove(twin.id, soon());
    });

    it('gets no port outside of the range of its host', async () => {
      for (const port of [LAB_PORTS.from - 2, LAB_PORTS.to + 1, LAB_PORTS.from + 1]) {
        await expect(lab.driver.ensure(specOf(lab, { port }), soon())).rejects.toMatchObject({
          code: 'engine-refused',
        });
      }
    });

    it('survives that its network is made again', async () => {
      await lab.driver.stop(spec.id, 5, soon());
      await lab.driver.remove(spec.id, soon());
      await lab.docker.getNetwork(`wirebot-${lab.instance}`).remove();
      await expect(lab.driver.ensure(spec, soon())).rejects.toMatchObject({ retryable: true });
      address = await lab.driver.ensure(spec, soon());
      await untilHealthy(address);
    });

    it('is watched again after the line to the engine was cut', async () => {
      const socketPath = join(lab.base, 'line.sock');
      const never = /\0never\0/;
      const line = await cuttingProxy(socketPath, SOCKET!, never);
      const sockets = new Set<{ destroy(): void }>();
      line.on('connection', (socket) => sockets.add(socket));
      const seen: string[] = [];
      const stop = new AbortController();
      const watching = (async () => {
        for await (const id of new DockerDriver({ ...lab.host, engine: { kind: 'unix', socketPath } }).watch(
          stop.signal,
        ))
          seen.push(id);
      })();
      await eventually('the watch listens', async () => sockets.size === 1);
      for (const socket of sockets) socket.destroy();
      await eventually('the watch listens again', async () => sockets.size === 2);
      await eventually('the end was seen', async () => {
        await lab.driver.stop(spec.id, 5, soon());
        await lab.driver.ensure(spec, soon());
        return seen.includes(spec.id);
      });
      stop.abort();
      await watching;
      expect(new Set(seen)).toEqual(new Set([spec.id]));
      await new Promise((resolve) => line.close(resolve));
    });
  });
});

const nowhere = join(tmpdir(), 'wb-no-engine');
describeUnreachableEngine(
  'DockerDriver',
  new DockerDriver({
    engine: { kind: 'unix', socketPath: join(nowhere, 'nobody.sock') },
    instance: randomInstance(),
    stateRoot: join(nowhere, 'state'),
    secretsRoot: join(nowhere, 'secrets'),
    ports: LAB_PORTS,
    user: LAB_USER,
    allowSecretsOnDisk: true,
  }),
);
