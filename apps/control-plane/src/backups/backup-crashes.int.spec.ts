import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Database } from '#libs/database';
import { Clock } from '#libs/kernel';
import { GatewayRuntime } from '#libs/runtimes/core';
import { BACKUP_STEPS, StepObserver } from '../provisioning/steps.js';
import { Upkeep } from '../provisioning/upkeep/upkeep.js';
import { BackupArchives } from './backup-archives.js';
import { BackupRunner } from './backup-runner.js';
import { BackupStores } from './backup-stores.js';
import { BackupVerifier } from './backup-verifier.js';
import { BackupWorker } from './backup-worker.js';
import type { BackupRow } from './backup-rows.js';
import { BackupsRepository } from './backups.repository.js';
import { BackupLab } from './testing/backup-lab.fixture.js';
import type { BackupView } from './backup-view.js';

/** Every point at which the process that makes a backup may die. */
const POINTS = Object.entries(BACKUP_STEPS).flatMap(([phase, steps]) => steps.map((step) => `backup ${phase} ${step}`));
/** Whatever of the process still runs then changes nothing any more, as when it was killed. */
const WRITES = {
  backups: ['putBack', 'succeed', 'fail', 'renew'],
  archives: ['write', 'remove', 'removeAttempt'],
} as const;
const never = new AbortController().signal;

let lab: BackupLab;
let killAt: string | undefined;
let dead = false;

function breakable(app: NestFastifyApplication): void {
  app.get(StepObserver, { strict: false }).reached = (kind, phase, step) => {
    if (`${kind} ${phase} ${step}` !== killAt) return;
    killAt = undefined;
    dead = true;
    throw new Error('killed');
  };
  mortal(app.get(BackupsRepository, { strict: false }), WRITES.backups);
  mortal(app.get(BackupArchives, { strict: false }), WRITES.archives);
}

function mortal<T extends object>(target: T, methods: readonly (keyof T)[]): void {
  for (const name of methods) {
    const original = (target[name] as (...args: unknown[]) => unknown).bind(target);
    target[name] = ((...args: unknown[]) => {
      if (dead) throw new Error('killed');
      return original(...args);
    }) as T[keyof T];
  }
}

beforeAll(async () => {
  const environment = { WIREBOT_GATEWAY_PORTS: '19440-19459', WIREBOT_AGENTS_PER_GATEWAY: '10' };
  lab = await BackupLab.start(environment, breakable);
  // The tests are the worker and the duty, so that they can die.
  const { app } = lab.plane;
  await app.get(BackupWorker, { strict: false }).beforeApplicationShutdown();
  await app.get(Upkeep, { strict: false }).beforeApplicationShutdown();
  await lab.plane.put('ann', 'wire');
  await lab.write('ann', 'workspace/note.md', 'a note');
});
afterAll(() => lab.plane.dispose());

const part = <T>(type: abstract new (...args: never[]) => T): T =>
  lab.plane.app.get<T>(type as never, { strict: false });
const verifier = () =>
  new BackupVerifier(part(Database), part(BackupsRepository), part(BackupArchives), part(BackupStores));

async function claim(): Promise<BackupRow> {
  return (await part(BackupsRepository).claim('a-process', 30))!;
}
const ask = async (): Promise<string> => (await lab.call<BackupView>('POST', '/v1/members/ann/backups', {})).body.id;
/** Its lease ends, as it does by itself when nobody renews it. */
const expire = (id: string) =>
  lab.plane.database.query(`UPDATE backups SET lease_until = now() - interval '1 second' WHERE id = $1`, [id]);
const statusOf = async (id: string): Promise<BackupView> =>
  (await lab.call<BackupView>('GET', `/v1/members/ann/backups/${id}`)).body;

async function run(row: BackupRow): Promise<void> {
  await part(BackupRunner)
    .run(row, never)
    .catch((error: Error) => {
      if (!dead) throw error;
    });
}

describe('a worker that dies over a backup', () => {
  it.each(POINTS)('at "%s" leaves it to the next one, and nothing else', async (point) => {
    const id = await ask();
    const failing = point.endsWith('discarded');
    const runtime = part(GatewayRuntime);
    const snapshot = runtime.snapshotAgent.bind(runtime);
    if (failing) runtime.snapshotAgent = () => Promise.resolve(undefined);
    killAt = point;
    await run(await claim());
    expect([killAt, dead]).toEqual([undefined, true]);
    dead = false;
    await expire(id);
    const again = await part(BackupsRepository).claim('another-process', 30);
    if (again) await run(again);
    runtime.snapshotAgent = snapshot;

    const after = await statusOf(id);
    expect(after.status).toBe(failing ? 'failed' : 'succeeded');
    const objects = (await lab.objects()).filter((key) => key.includes(id));
    expect(objects).toHaveLength(failing ? 0 : 1);
    expect(await verifier().verify({}, never)).toMatchObject({ bad: [], strays: [] });
  });

  it('while another one has taken it over changes nothing, and takes its own object away', async () => {
    const id = await ask();
    const slow = await claim();
    await expire(id);
    const taken = (await part(BackupsRepository).claim('another-process', 30))!;
    expect([taken.id, taken.objectKey === slow.objectKey]).toEqual([id, false]);
    await run(taken);
    await expect(part(BackupRunner).run(slow, never)).rejects.toThrow('no longer this process');
    expect(await statusOf(id)).toMatchObject({ status: 'succeeded' });
    expect(await verifier().verify({}, never)).toMatchObject({ bad: [], strays: [] });
  });
});

describe('workers', () => {
  it('never make two backups of one agent at a time', async () => {
    const { id: agentId, gatewayId } = await lab.agentOf('ann');
    for (const kind of ['manual', 'scheduled'] as const) {
      const whose = { tenantId: lab.plane.tenantId, memberId: 'mem', agentId, gatewayId };
      await part(Database).system((tx) => part(BackupsRepository).insert(tx, { ...whose, kind, store: 'local' }));
    }
    const claims = await Promise.all(
      Array.from({ length: 6 }, (_, at) => part(BackupsRepository).claim(`process-${at}`, 30)),
    );
    const held = claims.filter((row) => row !== undefined);
    expect(held).toHaveLength(1);
    await run(held[0]!);
    await run(await claim());
    expect(await part(BackupsRepository).claim('a-process', 30)).toBeUndefined();
  });

  it('wait for a gateway that does not answer, say what they wait for, and give up in the end', async () => {
    const runtime = part(GatewayRuntime);
    const status = runtime.status.bind(runtime);
    const id = await ask();
    await lab.plane.database.query(`UPDATE agents SET gateway_id = NULL WHERE id = $1`, [(await statusOf(id)).agentId]);
    await run(await claim());
    expect(await statusOf(id)).toMatchObject({ status: 'pending', error: { code: 'agent-not-placed' } });
    await lab.plane.database.query(
      `UPDATE backups SET created_at = now() - interval '1 day', due_at = $2 WHERE id = $1`,
      [id, part(Clock).now()],
    );
    await run(await claim());
    expect(await statusOf(id)).toMatchObject({ status: 'failed', error: { code: 'agent-not-placed' } });
    runtime.status = status;
    await lab.plane.database.query(`UPDATE agents SET gateway_id = attached_to WHERE id = $1`, [
      (await statusOf(id)).agentId,
    ]);
  });
});

describe('what lies in the store without a row', () => {
  it('is found, told apart, and removed only when somebody says so', async () => {
    const id = await ask();
    await run(await claim());
    const object = (await lab.objects()).find((key) => key.includes(id))!;
    const store = await part(BackupStores).of('local');
    async function* text(): AsyncGenerator<Uint8Array> {
      yield Buffer.from('left behind');
    }
    const left = object.replace(/\.1\.tar/, '.9.tar');
    await store.put(left, text(), never);
    await store.put('ten_x/agt_x/bak_x.1.tar.zst.age', text(), never);
    const { bad, strays } = await verifier().verify({}, never);
    expect(bad).toEqual([]);
    expect(strays.map(({ key, why }) => [key, why]).toSorted()).toEqual(
      [
        [left, 'superseded'],
        ['ten_x/agt_x/bak_x.1.tar.zst.age', 'unknown'],
      ].toSorted(),
    );
    expect(await lab.objects()).toContain(left);
    expect(
      await verifier().removeStrays([...strays, { store: 'local', key: object, bytes: 1, why: 'unknown' }], never),
    ).toBe(2);
    expect(await verifier().strays(undefined, never)).toEqual([]);
    expect(await lab.objects()).toContain(object);
  });

  it('and a row without an object: both are said', async () => {
    const id = await ask();
    await run(await claim());
    const object = (await lab.objects()).find((key) => key.includes(id))!;
    await (await part(BackupStores).of('local')).delete(object, never);
    const { bad } = await verifier().verify({}, never);
    expect(bad).toMatchObject([{ id, code: 'backup-object-missing' }]);
  });
});
