import { execFile } from 'node:child_process';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { ControlPlaneConfig } from '#libs/config';
import { defaultSecretsRoot, isMemoryBacked } from '#libs/drivers/core';
import { delay } from '#libs/kernel';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { MembersService } from '../members/members.service.js';
import { ControlPlaneFixture } from '../provisioning/testing/control-plane.fixture.js';
import { SecretsService } from './secrets.service.js';

const BUNDLE = resolve(import.meta.dirname, '../../../../dist/gateway/gateway.mjs');
const SOCKET = process.env['WIREBOT_TEST_DOCKER_SOCKET'];
const IMAGE = process.env['WIREBOT_TEST_GATEWAY_IMAGE'];
const LIMIT_MS = 20_000;
const VALUE = 'value-that-only-the-gateway-sees-1';

const DRIVERS = [
  ['process', true, { WIREBOT_GATEWAY_IMAGE: BUNDLE }],
  ['docker', Boolean(SOCKET && IMAGE), { WIREBOT_DOCKER_SOCKET: SOCKET ?? '', WIREBOT_GATEWAY_IMAGE: IMAGE ?? '' }],
] as const;

/** What anybody who may look at the machine's processes or containers sees of the gateways. */
async function shown(driver: string, gatewayId: string): Promise<string> {
  if (driver === 'docker') {
    const names = ['--unix-socket', SOCKET!, `http://docker/containers/json?all=1`];
    const list = JSON.parse((await promisify(execFile)('curl', ['-s', ...names])).stdout) as { Id: string }[];
    const inspected = list.map(({ Id }) => ['-s', '--unix-socket', SOCKET!, `http://docker/containers/${Id}/json`]);
    const texts = await Promise.all(inspected.map(async (args) => (await promisify(execFile)('curl', args)).stdout));
    return texts.filter((text) => text.includes(gatewayId)).join('\n');
  }
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
  const texts = await Promise.all(
    pids.map(async (pid) => {
      const [command, environment] = await Promise.all(
        ['cmdline', 'environ'].map((file) => readFile(join('/proc', pid, file), 'utf8').catch(() => '')),
      );
      return `${command}${environment}`;
    }),
  );
  return texts.filter((text) => text.includes(gatewayId)).join('\n');
}

describe.each(DRIVERS)('secrets of agents, delivered by the %s driver', (driver, available, environment) => {
  // Docker needs an engine and an image: `npm test` names both where they can be had.
  describe.skipIf(!available)('on a real gateway', () => {
    let plane: ControlPlaneFixture;
    let gatewayId: string;
    let directory: string;
    let folders: Record<'ann' | 'ben', string>;
    const put = (name: string, value: string, member?: string) =>
      plane.app.get(SecretsService).put(plane.caller, { purpose: 'gateway', name, member }, value);
    const drop = (name: string, member?: string) =>
      plane.app.get(SecretsService).delete(plane.caller, { purpose: 'gateway', name, member });
    const read = (who: 'ann' | 'ben', name: string): string | undefined => {
      const path = join(folders[who], name);
      return existsSync(path) ? readFileSync(path, 'utf8') : undefined;
    };
    const until = async (what: () => unknown, wanted: unknown): Promise<void> => {
      for (const end = Date.now() + LIMIT_MS; what() !== wanted && Date.now() < end;) await delay(20);
      expect(what()).toBe(wanted);
    };

    beforeAll(async () => {
      plane = await ControlPlaneFixture.start({
        WIREBOT_DRIVER: driver,
        WIREBOT_GATEWAY_PORTS: driver === 'process' ? '19300-19309' : '19310-19319',
        ...environment,
      });
      for (const name of ['ann', 'ben']) await plane.put(name, 'freewire');
      const members = await Promise.all(['ann', 'ben'].map((name) => plane.member(name)));
      gatewayId = members[0]!.gateway!.id;
      const rows = await plane.database.query<{ id: string; member_id: string }>('SELECT id, member_id FROM agents');
      const agents = members.map((member) => rows.find((row) => row.member_id === member.id)!.id);
      const root = await defaultSecretsRoot(plane.app.get(ControlPlaneConfig).instance);
      directory = join(root, gatewayId);
      const folderOf = (at: number) => join(directory, 'agents', `${agents[at]}.d`);
      folders = { ann: folderOf(0), ben: folderOf(1) };
    });
    afterAll(() => plane.dispose());

    it("appear as files in memory, the member's own before the tenant's, for nobody but the gateway's user", async () => {
      await put('SHOP_TOKEN', VALUE);
      await put('SHOP_TOKEN', 'value of ben', 'ben');
      await put('OWN', 'only of ann', 'ann');
      await until(() => read('ann', 'SHOP_TOKEN'), VALUE);
      await until(() => read('ben', 'SHOP_TOKEN'), 'value of ben');
      await until(() => read('ann', 'OWN'), 'only of ann');
      expect(read('ben', 'OWN')).toBeUndefined();
      expect(await isMemoryBacked(directory)).toBe(true);
      expect((statSync(join(folders.ann, 'SHOP_TOKEN')).mode & 0o777).toString(8)).toBe('600');
      expect((statSync(folders.ann).mode & 0o777).toString(8)).toBe('700');
    });

    it('stay out of environment, command line and inspection, and leave the agents working', async () => {
      const text = await shown(driver, gatewayId);
      expect(text).toContain(gatewayId);
      expect(text).not.toContain(VALUE);
      expect((await plane.member('ann')).gateway).toMatchObject({ id: gatewayId, phase: 'ready' });
    });

    it('change in place, and disappear when they are deleted', async () => {
      await put('SHOP_TOKEN', 'a newer value');
      await until(() => read('ann', 'SHOP_TOKEN'), 'a newer value');
      await drop('SHOP_TOKEN', 'ben');
      await until(() => read('ben', 'SHOP_TOKEN'), 'a newer value');
      await drop('SHOP_TOKEN');
      await until(() => read('ann', 'SHOP_TOKEN'), undefined);
      await until(() => read('ben', 'SHOP_TOKEN'), undefined);
      expect(read('ann', 'OWN')).toBe('only of ann');
    });

    it('that were tampered with are left out, and the others are delivered', async () => {
      await put('BROKEN', 'never delivered');
      await until(() => read('ann', 'BROKEN'), 'never delivered');
      await plane.database.query(
        `UPDATE secrets SET sealed = set_byte(sealed, 90, get_byte(sealed, 90) # 1) WHERE name = 'BROKEN'`,
      );
      await put('FINE', 'delivered');
      await until(() => read('ann', 'FINE'), 'delivered');
      // One directory, but file by file: what is no longer listed goes last.
      await until(() => read('ann', 'BROKEN'), undefined);
      expect(read('ann', 'OWN')).toBe('only of ann');
    });

    it('of a member who is erased are deleted with everything else', async () => {
      const change = await plane.app.get(MembersService).act(plane.caller, 'ann', 'erase');
      expect(await plane.ended(change.operation!.id)).toMatchObject({ status: 'succeeded' });
      await until(() => existsSync(folders.ann), false);
      expect(await plane.database.query('SELECT id FROM secrets WHERE member_id = $1', [change.member.id])).toEqual([]);
    });
  });
});
