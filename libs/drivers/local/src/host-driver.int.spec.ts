import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { GatewayDriver, HostConnection, HostCredentials } from '#libs/drivers/core';
import { describeGatewayDriver, engineProxy, eventually, failureOf, forever, randomInstance } from '#libs/testing';
import { type OwnEngine, startEngine, stopEngine } from '../../../../tools/docker/engine.js';
import { createDockerLab, type DockerLab, LAB_PORTS, type LabHost } from '../../docker/src/testing/docker-lab.js';
import { createHostDriver } from './host-driver.js';
import { type Certificates, makeCertificates } from './testing/certificates.js';
import { type SshServer, startSshServer } from './testing/ssh-server.js';

/** Whether this machine can run an engine of its own; a machine of the project's CI has to. */
const able =
  (process.getuid?.() === 0 && ['/usr/sbin/dockerd', '/usr/bin/dockerd'].some(existsSync)) ||
  Boolean(process.env['CI']);

const LOOPBACK = '127.0.0.1';

/** The whole contract over the longest way; over all of them, which takes minutes more, when somebody asks for it. */
const WAYS = process.env['WIREBOT_TEST_EVERY_WAY'] ? (['unix', 'tls', 'ssh'] as const) : (['ssh'] as const);
const HOST_ID = 'host_2';

describe.skipIf(!able)('a host with an engine of its own (needs root and dockerd)', () => {
  const base = mkdtempSync(join(tmpdir(), 'wb-host-'));
  let engine: OwnEngine;
  let socketPath = '';
  let tlsPort = 0;
  let certificates: Certificates;
  let ssh: SshServer;

  beforeAll(async () => {
    certificates = makeCertificates(join(base, 'pki'));
    tlsPort = await freePort();
    const { path } = certificates;
    const tls = ['--tlsverify', `--tlscacert=${path('ca.pem')}`, `--tlscert=${path('server.pem')}`];
    const flags = [...tls, `--tlskey=${path('server.key')}`, `--host=tcp://${LOOPBACK}:${tlsPort}`];
    const places = { dataDir: join(base, 'data'), runDir: join(base, 'run') };
    engine = { instance: randomInstance(), ...places, onSay: () => undefined, flags };
    ({ socketPath } = await startEngine(engine));
    ssh = await startSshServer(join(base, 'ssh'));
  });
  afterAll(async () => {
    await ssh?.stop();
    await stopEngine(engine);
    rmSync(base, { recursive: true, force: true });
  });

  const connectionTo: Record<Way, () => [Reach, HostCredentials]> = {
    unix: () => [{ kind: 'unix', socketPath }, {}],
    tls: () => [{ kind: 'tls', host: LOOPBACK, port: tlsPort }, clientOf(certificates)],
    ssh: () => [
      { kind: 'ssh', host: LOOPBACK, port: ssh.port, user: 'root', socketPath },
      { key: ssh.userKey, hostKey: ssh.hostKey },
    ],
  };
  const openHost = (host: LabHost, reach: Reach, credentials: HostCredentials, hostId = HOST_ID) => {
    const { instance, stateRoot, secretsRoot } = host;
    const connection = { ...reach, stateRoot, secretsRoot } as HostConnection;
    const options = { driver: 'docker', instance, dataDir: base, hostId, ports: LAB_PORTS } as const;
    return createHostDriver({ ...options, connection, credentials });
  };
  const createLab = (way: Way): Promise<DockerLab> => {
    const [reach, credentials] = connectionTo[way]();
    return createDockerLab({ socketPath, hostId: HOST_ID, open: (host) => openHost(host, reach, credentials) });
  };

  for (const way of WAYS) describeGatewayDriver(`DockerDriver over ${way}`, () => createLab(way));

  describe('reaching it', () => {
    let lab: DockerLab;
    beforeAll(async () => {
      lab = await createLab('unix');
      await lab.driver.prepare(forever());
    });
    afterAll(() => lab?.close());
    const refusal = { code: 'engine-refused', retryable: false };
    const over = async (
      way: Way,
      changed: HostCredentials = {},
      moved: Partial<Reach> = {},
    ): Promise<GatewayDriver> => {
      const [reach, credentials] = connectionTo[way]();
      return openHost(lab.host, { ...reach, ...moved } as Reach, { ...credentials, ...changed });
    };

    it('is refused over SSH when its host key is another than the one that is pinned', async () => {
      const wrong = `SHA256:${'A'.repeat(43)}`;
      const failure = await failureOf((await over('ssh', { hostKey: wrong })).list(forever()));
      expect(failure).toMatchObject(refusal);
      expect(failure.message).toContain(wrong);
      expect(failure.message).toContain(ssh.hostKey.replace(/=+$/, ''));
    });

    it('is refused over SSH with a key that the server does not know', async () => {
      const failure = await failureOf((await over('ssh', { key: ssh.strangersKey })).list(forever()));
      expect(failure).toMatchObject(refusal);
      expect(failure.message).not.toContain(ssh.strangersKey);
      expect(failure.message).toContain('root');
    });

    it('is away over SSH when the server or the socket behind it is, and back when they are', async () => {
      const nobody = await over('ssh', {}, { socketPath: join(base, 'nobody.sock') });
      expect(await failureOf(nobody.list(forever()))).toMatchObject({ code: 'engine-unreachable', retryable: true });
      const driver = await over('ssh');
      await driver.list(forever());
      await ssh.restart();
      await eventually('calls go through again', () =>
        driver.list(forever()).then(
          () => true,
          (error: unknown) => {
            expect(error).toMatchObject({ code: 'engine-unreachable', retryable: true });
            return false;
          },
        ),
      );
      await ssh.stop();
      expect(await failureOf(driver.list(forever()))).toMatchObject({ code: 'engine-unreachable', retryable: true });
      await ssh.restart();
      expect(await driver.list(forever())).toEqual([]);
    });

    it('says over SSH what the server has to allow when it forwards to no sockets', async () => {
      const closed = await startSshServer(join(base, 'ssh-closed'), ['AllowStreamLocalForwarding no']);
      try {
        const driver = await over('ssh', { key: closed.userKey, hostKey: closed.hostKey }, { port: closed.port });
        const failure = await failureOf(driver.list(forever()));
        expect(failure.code).toBe('engine-unreachable');
        expect(failure.message).toContain('AllowStreamLocalForwarding');
      } finally {
        await closed.stop();
      }
    });

    it('is refused over TLS when either side does not know the other’s authority, or the name is another', async () => {
      const others = makeCertificates(join(base, 'pki-of-others'));
      const drivers = [
        await over('tls', { ca: others.text('ca.pem') }),
        await over('tls', { cert: others.text('client.pem'), key: others.text('client.key') }),
        await over('tls', {}, { host: 'localhost' }),
      ];
      for (const driver of drivers) expect(await failureOf(driver.list(forever()))).toMatchObject(refusal);
    });

    it('is refused before anything is asked when credentials are missing', async () => {
      for (const [way, missing] of [
        ['tls', 'ca'],
        ['tls', 'key'],
        ['ssh', 'key'],
        ['ssh', 'hostKey'],
      ] as const)
        expect(await failureOf(over(way, { [missing]: '' }))).toMatchObject(refusal);
    });

    it('is the engine that is named, whatever the environment says', async () => {
      process.env['DOCKER_HOST'] = 'tcp://127.0.0.1:1';
      try {
        for (const way of ['unix', 'tls', 'ssh'] as const) expect(await (await over(way)).list(forever())).toEqual([]);
      } finally {
        delete process.env['DOCKER_HOST'];
      }
    });

    it('serves one host of an installation only', async () => {
      const [reach, credentials] = connectionTo.unix();
      const twin = await openHost(lab.host, reach, credentials, 'host_3');
      const failure = await failureOf(twin.prepare(forever()));
      expect(failure).toMatchObject(refusal);
      expect(failure.message).toContain(HOST_ID);
    });

    it('is refused when its folders are not the ones that are seen here', async () => {
      // What an engine on another machine answers: it is asked about a folder of a name that only it has not.
      for (const root of [lab.stateRoot, lab.secretsRoot]) {
        const elsewhere = `${root.slice(0, -1)}#`;
        const listen = join(base, `elsewhere-${root.length}.sock`);
        const proxy = await engineProxy(listen, socketPath, (asked) =>
          Buffer.from(asked.toString('latin1').replaceAll(`"${root}/`, `"${elsewhere}/`), 'latin1'),
        );
        const failure = await failureOf((await over('unix', {}, { socketPath: listen })).prepare(forever()));
        expect(failure).toMatchObject(refusal);
        expect(failure.message).toContain(`${root} is not the same folder`);
        proxy.close();
      }
      expect(readdirSync(lab.stateRoot).filter((name) => name.startsWith('.proof'))).toEqual([]);
    });

    it('that hangs is given up in bounded time, and used again when it goes on', async () => {
      const drivers = await Promise.all((['unix', 'tls', 'ssh'] as const).map((way) => over(way)));
      const { pid } = await startEngine(engine);
      process.kill(pid, 'SIGSTOP');
      try {
        const failures = await Promise.all(drivers.map((driver) => failureOf(driver.inspect('gw_1', forever()))));
        for (const failure of failures) expect(failure).toMatchObject({ code: 'engine-timeout', retryable: true });
      } finally {
        process.kill(pid, 'SIGCONT');
      }
      for (const driver of drivers) expect(await driver.list(forever())).toEqual([]);
    });
  });
});

describe('the host beside the control plane', () => {
  it('is whatever its environment chose', async () => {
    const options = { instance: randomInstance(), dataDir: tmpdir(), hostId: 'host_1', ports: LAB_PORTS };
    const local = { ...options, connection: { kind: 'local' }, credentials: {} } as const;
    expect((await createHostDriver({ ...local, driver: 'process' })).name).toBe('process');
    expect((await createHostDriver({ ...local, driver: 'docker' })).name).toBe('docker');
  });
});

type Way = 'unix' | 'tls' | 'ssh';
/** Each kind apart: a spread over the union would forget which members belong together. */
type WithoutFolders<T> = T extends unknown ? Omit<T, 'stateRoot' | 'secretsRoot'> : never;
type Reach = WithoutFolders<Exclude<HostConnection, { kind: 'local' }>>;

const clientOf = (certificates: Certificates): HostCredentials => ({
  ca: certificates.text('ca.pem'),
  cert: certificates.text('client.pem'),
  key: certificates.text('client.key'),
});

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, LOOPBACK, resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}
