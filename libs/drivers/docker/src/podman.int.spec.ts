import { existsSync, mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe } from 'vitest';
import { describeGatewayDriver } from '#libs/testing';
import { createDockerLab } from './testing/docker-lab.js';
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
});
