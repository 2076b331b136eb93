import { createServer } from 'node:http';
import { createServer as createTcpServer, type AddressInfo, type Server } from 'node:net';
import { networkInterfaces } from 'node:os';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { GatewayAddress, GatewaySpec } from '#libs/drivers/core';
import { ask, eventually, forever, specOf, untilHealthy } from '#libs/testing';
import { type DockerLab, LAB_PORTS, LAB_USER } from './docker-lab.js';

const MEGABYTE = 1024 * 1024;

/** What a gateway can do that is out to harm: everything is tried from inside of one. */
export function describeIsolation(name: string, create: () => Promise<DockerLab>): void {
  describe(`${name} seen from inside a gateway`, () => {
    let lab: DockerLab;
    let hostAddress = '';
    let spec: GatewaySpec;
    let inside: GatewayAddress;
    let neighbourSpec: GatewaySpec;
    let neighbour: GatewayAddress;
    const reach = async (host: string, port: number, from = inside) =>
      (await ask<{ result: string }>(from, '/reach', { host, port: String(port) })).result;

    beforeAll(async () => {
      lab = await create();
      ({ hostAddressForGateways: hostAddress } = await lab.driver.prepare(forever()));
      spec = specOf(lab, { resources: { cpus: 1, memoryBytes: 192 * MEGABYTE, pids: 60 } });
      neighbourSpec = specOf(lab);
      inside = await lab.driver.ensure(spec, forever());
      neighbour = await lab.driver.ensure(neighbourSpec, forever());
      await Promise.all([inside, neighbour].map(untilHealthy));
    });
    afterAll(async () => {
      for (const { id } of [spec, neighbourSpec]) await lab?.driver.remove(id, forever());
      await lab?.close();
    });

    it('the broker answers on the host address', async () => {
      const broker = await listening(
        createServer((_request, response) => response.end('broker')),
        hostAddress,
      );
      expect(await reach(hostAddress, portOf(broker))).toBe('connected');
      broker.close();
    });

    it('no other gateway answers, in either direction, on neither of its ports', async () => {
      for (const port of [neighbour.port, neighbour.controlPort])
        expect(await reach(neighbour.host, port)).toMatch(UNREACHED);
      expect(await reach(inside.host, inside.port, neighbour)).toMatch(UNREACHED);
    });

    it('no other gateway answers after it was started again by its engine', async () => {
      const before = await lab.driver.inspect(neighbourSpec.id, forever());
      await lab.kill(neighbourSpec.id);
      await eventually('it is back', async () => {
        const now = await lab.driver.inspect(neighbourSpec.id, forever());
        return now.status === 'running' && before.status === 'running' && now.startedAt !== before.startedAt;
      });
      await untilHealthy(neighbour);
      expect(await reach(neighbour.host, neighbour.port)).toMatch(UNREACHED);
      expect(await reach(inside.host, inside.port, neighbour)).toMatch(UNREACHED);
    });

    it('nothing of the internet and no metadata service answers', async () => {
      for (const [host, port] of [
        ['1.1.1.1', 443],
        ['93.184.215.14', 80],
        ['169.254.169.254', 80],
      ] as const)
        expect(await reach(host, port)).toMatch(UNREACHED);
    });

    it('the host answers on no address but the one of this network', async () => {
      const others = hostAddresses(hostAddress);
      expect(others).not.toEqual([]);
      for (const address of others) {
        const service = await listening(
          createTcpServer((socket) => socket.end()),
          address,
        );
        expect([address, await reach(address, portOf(service))]).toEqual([address, expect.stringMatching(UNREACHED)]);
        service.close();
      }
    });

    it('no name is found, from its own name servers or through the host', async () => {
      for (const server of ['', hostAddress, '1.1.1.1']) {
        const { result } = await ask<{ result: string }>(inside, '/look-up', { name: 'example.com', server });
        expect(result).not.toBe('resolved');
      }
    });

    it('the engine’s socket is nowhere', async () => {
      const usual = [
        '/var/run/docker.sock',
        '/run/docker.sock',
        '/run/podman/podman.sock',
        '/run/containerd/containerd.sock',
      ];
      for (const path of [lab.socketPath, ...usual]) {
        const { result } = await ask<{ result: string }>(inside, '/reach-socket', { path });
        expect(result).toBe('ENOENT');
      }
    });

    it('the gateway has no capability, can gain none, and its calls to the kernel are filtered', async () => {
      const { status } = await ask<{ status: string }>(inside, '/privileges');
      const of = (field: string) => new RegExp(`^${field}:\\s+(\\S+)`, 'm').exec(status)?.[1];
      for (const set of ['CapInh', 'CapPrm', 'CapEff', 'CapBnd', 'CapAmb']) expect(of(set)).toMatch(/^0+$/);
      expect([of('NoNewPrivs'), of('Seccomp')]).toEqual(['1', '2']);
      expect(await ask(inside, '/identity')).toMatchObject(LAB_USER);
    });

    it('the gateway writes to its state and a temporary folder and nowhere else', async () => {
      const attempts = [
        '/app/x',
        '/etc/x',
        '/run/secrets/wirebot/x',
        '/usr/local/bin/x',
        '/proc/sysrq-trigger',
        '/sys/x',
      ];
      for (const path of attempts) {
        const { result } = await ask<{ result: string }>(inside, '/write', { path });
        expect([path, result]).toEqual([path, expect.stringMatching(/^(EROFS|EACCES|EPERM|ENOENT)$/)]);
      }
      for (const path of ['/tmp/x', '/state/x'])
        expect(await ask(inside, '/write', { path })).toEqual({ result: 'done' });
    });

    it('the gateway starts no more processes than it may, and nobody else notices', async () => {
      const { lived } = await ask<{ lived: number }>(inside, '/multiply', { count: '30' }, 30_000);
      expect(lived).toBeGreaterThan(0);
      expect(lived).toBeLessThan(10);
      expect(await ask(neighbour, '/multiply', { count: '1' })).toEqual({ lived: 1 });
      await untilHealthy(inside);
    });

    it('one that takes more memory than it may is ended and reported so, and nobody else is', async () => {
      const before = await lab.driver.inspect(neighbourSpec.id, forever());
      const greedy = specOf(lab, { environment: { FIXTURE_FILL: String(512 * MEGABYTE) } });
      try {
        await lab.driver.ensure(greedy, forever());
        const after = await eventually('the engine has given up', async () => {
          const state = await lab.driver.inspect(greedy.id, forever());
          const { RestartCount } = await lab.docker.getContainer(`wirebot-${lab.instance}-${greedy.id}`).inspect();
          return state.status === 'stopped' && RestartCount === 5 && state;
        });
        expect(after).toMatchObject({ oomKilled: lab.tellsOutOfMemory, exitCode: 137 });
        expect(await lab.driver.inspect(neighbourSpec.id, forever())).toEqual(before);
        await untilHealthy(neighbour);
      } finally {
        await lab.driver.remove(greedy.id, forever());
      }
    });

    it('gateways sit at the address that their port decides', () => {
      const [a, b, c, d] = hostAddress.split('.').map(Number) as [number, number, number, number];
      expect(inside.host).toBe(`${a}.${b}.${c}.${d + 1 + (spec.port - LAB_PORTS.from) / 2}`);
    });
  });
}

/** No connection, for whatever reason the kernel gives. */
const UNREACHED = /^(timeout|ENETUNREACH|EHOSTUNREACH|ECONNREFUSED|EACCES|EPERM)$/;

const portOf = (server: Pick<Server, 'address'>): number => (server.address() as AddressInfo).port;

function listening<T extends Server>(server: T, host: string): Promise<T> {
  return new Promise((resolve) => server.listen(0, host, () => resolve(server)));
}

/** Every IPv4 address of this machine but the loopback and the network's own; with those of other engines' networks. */
function hostAddresses(own: string): string[] {
  const all = Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? []);
  const others = all.filter(({ family, internal, address }) => family === 'IPv4' && !internal && address !== own);
  return others.map(({ address }) => address).slice(0, 4);
}
