import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Docker from 'dockerode';
import { afterAll, describe, expect, it } from 'vitest';
import { identifyProcess, isAlive } from '#libs/drivers/core';
import { eventually, fixtureGatewayFile, randomInstance } from '#libs/testing';
import { findEngine, type OwnEngine, startEngine, stopEngine } from './engine.js';
import { ensureGatewayImage } from './gateway-image.js';

/** Whether this machine can run an engine of its own; a machine of the project's CI has to. */
const able =
  (process.getuid?.() === 0 && ['/usr/sbin/dockerd', '/usr/bin/dockerd'].some(existsSync)) ||
  Boolean(process.env['CI']);

describe.skipIf(!able)('an engine of our own (needs root and dockerd)', () => {
  const base = mkdtempSync(join(tmpdir(), 'wb-engine-'));
  const said: string[] = [];
  const engine: OwnEngine = {
    instance: randomInstance(),
    dataDir: join(base, 'data'),
    runDir: join(base, 'run'),
    onSay: (line) => said.push(line),
  };
  afterAll(async () => {
    await stopEngine(engine);
    rmSync(base, { recursive: true, force: true });
  });

  it('starts, is adopted by the next start and found by its name', async () => {
    const started = await startEngine(engine);
    expect(await startEngine(engine)).toEqual(started);
    expect(said.filter((line) => line.startsWith('starting'))).toHaveLength(1);
    expect(await findEngine({ DOCKER_HOST: `unix://${started.socketPath}` })).toBe(started.socketPath);
  });

  it('is never replaced by another one when the named one is down', async () => {
    expect(await findEngine({ DOCKER_HOST: `unix://${join(base, 'nobody.sock')}` })).toBeUndefined();
    expect(await findEngine({ DOCKER_HOST: 'tcp://127.0.0.1:1' })).toBeUndefined();
  });

  it('builds the gateway image once for the same bundle', async () => {
    const { socketPath } = await startEngine(engine);
    const bundleDir = join(base, 'bundle');
    mkdirSync(bundleDir);
    copyFileSync(fixtureGatewayFile(), join(bundleDir, 'gateway.mjs'));
    const options = { socketPath, bundleDir, skipPull: true, onSay: engine.onSay };
    const id = await ensureGatewayImage(options);
    expect(id).toMatch(/^sha256:[0-9a-f]{64}$/);
    expect(said).toContain('compile cache: primed (ended with 0)');
    expect(await ensureGatewayImage(options)).toBe(id);
    writeFileSync(join(bundleDir, 'gateway.mjs'), 'process.exit(3);\n');
    expect(await ensureGatewayImage(options)).not.toBe(id);
    await expect(ensureGatewayImage({ ...options, bundleDir: base })).rejects.toThrow('npm run build');
  });

  it('comes back after a kill -9 with its containers still running, and ends them when it is stopped', async () => {
    const { socketPath, pid } = await startEngine(engine);
    const docker = new Docker({ socketPath });
    const image = (await docker.listImages({ filters: JSON.stringify({ label: ['wirebot.image=gateway'] }) }))[0]!.Id;
    const Cmd = ['node', '-e', "process.on('SIGTERM', () => process.exit(0)); setInterval(() => undefined, 1000)"];
    const container = await docker.createContainer({ Image: image, Cmd, HostConfig: { NetworkMode: 'none' } });
    await container.start();
    const inside = identifyProcess((await container.inspect()).State.Pid)!;
    const dead = identifyProcess(pid)!;
    process.kill(pid, 'SIGKILL');
    await eventually('the engine is dead', async () => !isAlive(dead));
    const again = await startEngine(engine);
    expect(again.pid).not.toBe(pid);
    expect((await container.inspect()).State.Pid).toBe(inside.pid);
    await stopEngine(engine);
    expect([isAlive(inside), identifyProcess(again.pid)]).toEqual([false, undefined]);
    expect(readFileSync('/proc/self/mounts', 'utf8')).not.toContain(base);
  });

  it('starts although its pid file names a stranger, and leaves the stranger alone', async () => {
    mkdirSync(join(base, 'run'), { recursive: true });
    writeFileSync(join(base, 'run', 'docker.pid'), String(process.pid));
    await stopEngine(engine);
    writeFileSync(join(base, 'run', 'docker.pid'), String(process.pid));
    const { pid } = await startEngine(engine);
    expect(pid).not.toBe(process.pid);
    await stopEngine(engine);
    expect(identifyProcess(pid)).toBeUndefined();
    await stopEngine(engine);
  });
});
