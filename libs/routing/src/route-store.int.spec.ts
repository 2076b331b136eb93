import { chmod, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { snapshot } from './route.fixture.js';
import { RouteStore } from './route-store.js';

let path: string;
let events: string[];
beforeEach(async () => {
  path = join(await mkdtemp(join(tmpdir(), 'wirebot-routes-')), 'proxy', 'routes.json');
  events = [];
});
afterEach(() => rm(dirname(dirname(path)), { recursive: true, force: true }));

const store = () => new RouteStore(path, (_level, event) => events.push(event), 5);
const saved = async (version = 1) => {
  const one = store();
  one.save(() => snapshot({ version }));
  await one.flush();
};

describe('RouteStore', () => {
  it('gives back what was saved, in a file only its owner can read', async () => {
    await saved();
    expect(await store().load()).toEqual(snapshot());
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    expect(await readdir(dirname(path))).toEqual(['routes.json']);
  });

  it('keeps its mode when a wider file was there before', async () => {
    await saved(1);
    await chmod(path, 0o644);
    await saved(2);
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    expect((await store().load())?.version).toBe(2);
  });

  it('makes one write of many changes, with the last state', async () => {
    const one = store();
    let asked = 0;
    for (let version = 1; version <= 100; version += 1) {
      one.save(() => {
        asked += 1;
        return snapshot({ version });
      });
    }
    await one.flush();
    expect([asked, (await store().load())?.version]).toEqual([1, 100]);
  });

  it('has nothing, and says so, when there is no file', async () => {
    expect(await store().load()).toBeUndefined();
    expect(events).toEqual(['no route table on disk yet']);
  });

  it.each([
    ['cut short', (text: string) => text.slice(0, -10)],
    ['changed in the middle', (text: string) => text.replace('acme', 'evil')],
    ['emptied', () => ''],
    ['of another format', (text: string) => text.replace('"format":1', '"format":2')],
    ['without its header', (text: string) => text.slice(text.indexOf('\n') + 1)],
    ['binary', () => '\u0000\u0001'],
  ])('ignores a file that was %s, and says so', async (_name, damage) => {
    await saved();
    await writeFile(path, damage(await readFile(path, 'utf8')));
    expect(await store().load()).toBeUndefined();
    expect(events).toEqual(['route table on disk is damaged and was ignored']);
  });

  it('goes on after a write that failed', async () => {
    const one = store();
    await writeFile(dirname(path), 'a file where the folder belongs');
    one.save(() => snapshot());
    await one.flush();
    expect(events).toEqual(['route table could not be written']);
    await rm(dirname(path));
    one.save(() => snapshot({ version: 2 }));
    await one.flush();
    expect((await store().load())?.version).toBe(2);
  });
});
