import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { closeSync, mkdirSync, openSync, readFileSync, rmSync } from 'node:fs';
import { once } from 'node:events';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { eventually } from '#libs/testing';
import { dropRule, noRoad } from '../network-barriers.js';
import { engineAnswers } from '../../../../../tools/docker/engine-ping.js';
import { unmountBelow } from '../../../../../tools/docker/engine-mounts.js';
import { findProgram, installPackages } from '../../../../../tools/docker/packages.js';

const run = promisify(execFile);
const PACKAGES = [
  { program: 'podman', name: 'podman' },
  { program: 'netavark', name: 'netavark' },
  { program: 'aardvark-dns', name: 'aardvark-dns' },
  // crun, Podman's own choice, refuses machines whose cgroups are of both versions.
  { program: 'runc', name: 'runc' },
  { program: 'ebtables', name: 'iptables' },
];

/** Takes away what the driver has put up for one network. */
export async function lowerBarriers(subnet: string): Promise<void> {
  await run('ebtables', ['-D', 'FORWARD', ...dropRule(subnet)]);
  await run('ip', ['route', 'del', ...noRoad(subnet)]);
}

/** Podman's socket with images, containers and networks of its own, beside whatever else the machine runs. */
export interface PodmanService {
  readonly socketPath: string;
  readonly pid: number;
  stop(): Promise<void>;
}

export async function startPodman(base: string): Promise<PodmanService> {
  const silent = { onSay: () => undefined, otherwise: 'This test needs Podman', programsOnly: true };
  await installPackages(PACKAGES, silent);
  const program = (await findProgram('podman'))!;
  mkdirSync(base, { recursive: true, mode: 0o711 });
  const socketPath = join(base, 'podman.sock');
  const global = [
    `--root=${join(base, 'root')}`,
    `--runroot=${join(base, 'run')}`,
    `--tmpdir=${join(base, 'tmp')}`,
    `--network-config-dir=${join(base, 'networks')}`,
    '--cgroup-manager=cgroupfs',
    '--runtime=runc',
  ];
  const log = openSync(join(base, 'podman.log'), 'w', 0o600);
  const arguments_ = [...global, 'system', 'service', '--time=0', `unix://${socketPath}`];
  const service = spawn(program, arguments_, {
    stdio: ['ignore', log, log],
    env: { ...process.env, BUILDAH_RUNTIME: 'runc' },
  });
  closeSync(log);
  await eventually('Podman answers', async () => {
    if (service.exitCode !== null) throw new Error(readFileSync(join(base, 'podman.log'), 'utf8'));
    return engineAnswers(socketPath);
  });
  return {
    socketPath,
    pid: service.pid!,
    stop: async () => {
      await end(service);
      await run(program, [...global, 'rm', '--all', '--force', '--time=0'], { timeout: 60_000 });
      await unmountBelow([base], () => undefined);
      rmSync(base, { recursive: true, force: true });
    },
  };
}

async function end(service: ChildProcess): Promise<void> {
  if (service.exitCode !== null || service.signalCode !== null) return;
  const ended = once(service, 'exit');
  service.kill('SIGKILL');
  await ended;
}
