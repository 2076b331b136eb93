import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { defaultSecretsRoot, type GatewaySpec } from '#libs/drivers/core';
import {
  ask,
  describeGatewayDriver,
  type DriverLab,
  fixtureGatewayFile,
  type Occupation,
  randomInstance,
  specOf,
  untilHealthy,
} from '#libs/testing';
import { ProcessDriver } from './process.driver.js';
import { type ProcessRecord, Records } from './records.js';

const LOOPBACK = '127.0.0.1';

/** Even, as the platform hands them out; below what systems use for outgoing connections and beside what stacks use. */
let port = 12_000 + Math.floor(Math.random() * 3_000) * 2;

interface ProcessLab extends DriverLab {
  readonly records: Records;
}

async function createLab(): Promise<ProcessLab> {
  const base = mkdtempSync(join(tmpdir(), 'wirebot-process-driver-'));
  const make = async (name: string) => {
    const instance = randomInstance();
    const secretsRoot = await defaultSecretsRoot(instance);
    const roots = { stateRoot: join(base, name, 'state'), runRoot: join(base, name, 'run'), secretsRoot };
    const open = () => new ProcessDriver({ instance, nodePath: process.execPath, ...roots });
    return { ...roots, open, driver: open(), records: new Records(join(roots.runRoot, instance)) };
  };
  const [own, other] = [await make('own'), await make('other')];
  const recordOf = (id: string): ProcessRecord => own.records.find(id)!;
  return {
    driver: own.driver,
    reopen: own.open,
    neighbour: other.driver,
    stateRoot: own.stateRoot,
    secretsRoot: own.secretsRoot,
    image: fixtureGatewayFile(),
    restartsByItself: false,
    hasLimits: false,
    limitsOf: async () => null,
    records: own.records,
    nextPort: () => (port += 2),
    kill: async (id) => void process.kill(recordOf(id).process!.pid, 'SIGKILL'),
    ensureCutShort: async (spec) => {
      await own.driver.ensure(spec, AbortSignal.timeout(10_000));
      // The pid is written down last: without it the record is what a kill -9 right after the start leaves.
      const { process: _unwritten, ...record } = recordOf(spec.id);
      own.records.write(record);
    },
    occupy: occupyPort,
    close: async () => {
      for (const secretsRoot of [own.secretsRoot, other.secretsRoot])
        rmSync(join(secretsRoot, '..'), { recursive: true, force: true });
      rmSync(base, { recursive: true, force: true });
    },
  };
}

async function occupyPort(spec: GatewaySpec): Promise<Occupation> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(spec.port, LOOPBACK, resolve));
  return {
    expected: 'port-in-use',
    untouched: async () => server.listening,
    end: () => new Promise((resolve) => server.close(() => resolve())),
  };
}

describeGatewayDriver('ProcessDriver', createLab);

describe('a gateway process', () => {
  const soon = (): AbortSignal => AbortSignal.timeout(30_000);
  let lab: ProcessLab;
  let spec: GatewaySpec;
  beforeAll(async () => {
    lab = await createLab();
    spec = specOf(lab);
    await untilHealthy(await lab.driver.ensure(spec, soon()));
  });
  afterAll(async () => {
    await lab?.driver.remove(spec.id, soon());
    await lab?.close();
  });
  const pid = () => lab.records.find(spec.id)!.process!.pid;

  it('leads a session of its own, so that no end of the control plane reaches it', () => {
    const fields = readFileSync(`/proc/${pid()}/stat`, 'utf8').split(') ')[1]!.split(' ');
    expect([Number(fields[2]), Number(fields[3])]).toEqual([pid(), pid()]);
  });

  it('is shown by ps under its name', () => {
    expect(readFileSync(`/proc/${pid()}/cmdline`, 'utf8')).toContain(spec.id);
  });

  it('is not confused with a stranger that got its pid', async () => {
    const record = lab.records.find(spec.id)!;
    const stranger = spawn(process.execPath, ['-e', 'setInterval(() => undefined, 1000)'], { stdio: 'ignore' });
    try {
      lab.records.write({ ...record, process: { pid: stranger.pid!, mark: record.process!.mark } });
      expect(await lab.driver.inspect(spec.id, soon())).toMatchObject({ status: 'stopped' });
      await lab.driver.stop(spec.id, 0, soon());
      expect([stranger.exitCode, stranger.signalCode]).toEqual([null, null]);
    } finally {
      lab.records.write(record);
      stranger.kill('SIGKILL');
    }
  });

  it('keeps the end of its earlier output over a restart', async () => {
    await ask({ host: LOOPBACK, port: spec.port, controlPort: spec.controlPort }, '/say', {
      line: 'before the restart',
    });
    await lab.driver.stop(spec.id, 5, soon());
    await untilHealthy(await lab.driver.ensure(spec, soon()));
    const lines = await lab.driver.logs(spec.id, 10, soon());
    expect(lines).toEqual(['fixture gateway listening', 'before the restart', 'fixture gateway listening']);
  });
});
