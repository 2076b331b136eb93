import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ask, describeGatewayDriver, forever, specOf, untilHealthy } from '#libs/testing';
import { createDockerLab, type DockerLab } from './testing/docker-lab.js';
import { describeIsolation } from './testing/isolation-suite.js';
import { lowerBarriers, type PodmanService, startPodman } from './testing/podman-service.js';

/** Root on a machine that has Podman or can install it; a machine of the project's CI has to. */
const able =
  (process.getuid?.() === 0 && (existsSync('/usr/bin/podman') || existsSync('/usr/bin/apt-get'))) ||
  Boolean(process.env['CI']);

describe.skipIf(!able)('with Podman (needs root)', () => {
  let podman: PodmanService;
  beforeAll(async () => {
    podman = await startPodman(mkdtempSync(join(tmpdir(), 'wb-podman-')));
  }, 400_000);
  afterAll(() => podman?.stop());

  const createLab = () =>
    createDockerLab({
      socketPath: podman.socketPath,
      onNetworkRemoved: lowerBarriers,
      // With cgroups of version 1 Podman 4 misses it.
      tellsOutOfMemory: existsSync('/sys/fs/cgroup/cgroup.controllers'),
    });
  describeGatewayDriver('DockerDriver on Podman', createLab);
  describeIsolation('Podman', createLab);

  describe('the barriers that its networks lack', () => {
    let lab: DockerLab;
    let subnet = '';
    beforeAll(async () => {
      lab = await createLab();
      const { hostAddressForGateways } = await lab.driver.prepare(forever());
      subnet = `${hostAddressForGateways.replace(/\.\d+$/, '.0')}/20`;
    });
    afterAll(() => lab?.close());
    const rules = (): string => execFileSync('ebtables', ['-L', 'FORWARD'], { encoding: 'utf8' });

    it('are there once, however often the host is prepared', async () => {
      await lab.driver.prepare(forever());
      expect(rules().split(`--ip-src ${subnet} --ip-dst ${subnet} -j DROP`)).toHaveLength(2);
    });

    it('are back before the next start when somebody has taken them away', async () => {
      await lowerBarriers(subnet);
      const spec = specOf(lab);
      await untilHealthy(await lab.driver.ensure(spec, forever()));
      expect(rules()).toContain(subnet);
      await lab.driver.remove(spec.id, forever());
    });

    it('keep calls to gateways on this machine while none runs and their bridge is gone', async () => {
      const spec = specOf(lab);
      const address = await lab.driver.ensure(spec, forever());
      await untilHealthy(address);
      await lab.driver.stop(spec.id, 5, forever());
      const failure = await ask(address, '/health').catch((error: unknown) => error as Error);
      expect((failure as Error).cause).toMatchObject({ code: expect.stringMatching(/^(EHOSTUNREACH|ENETUNREACH)$/) });
      await lab.driver.remove(spec.id, forever());
    });
  });
});
