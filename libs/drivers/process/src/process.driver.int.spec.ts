import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { defaultSecretsRoot, type GatewaySpec } from '#libs/drivers/core';
import {
  describeGatewayDriver,
  type DriverLab,
  fixtureGatewayFile,
  type Occupation,
  randomInstance,
} from '#libs/testing';
import { ProcessDriver } from './process.driver.js';
import { type ProcessRecord, Records } from './records.js';

const LOOPBACK = '127.0.0.1';

/** A port that was free a moment ago, and the next one; even, as the platform hands them out. */
let port = 23_000 + Math.floor(Math.random() * 3_000) * 2;

async function createLab(): Promise<DriverLab> {
  const base = mkdtempSync(join(tmpdir(), 'wirebot-process-driver-'));
  const make = async (name: string) => {
    const instance = randomInstance();
    const secretsRoot = await defaultSecretsRoot(instance);
    const roots = { stateRoot: join(base, name, 'state'), runRoot: join(base, name, 'run'), secretsRoot };
    const driver = new ProcessDriver({ instance, nodePath: process.execPath, ...roots });
    return { ...roots, driver, records: new Records(join(roots.runRoot, instance)) };
  };
  const [own, other] = [await make('own'), await make('other')];
  const recordOf = (id: string): ProcessRecord => own.records.find(id)!;
  return {
    driver: own.driver,
    neighbour: other.driver,
    stateRoot: own.stateRoot,
    secretsRoot: own.secretsRoot,
    image: fixtureGatewayFile(),
    restartsByItself: false,
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
