import { chmod, mkdir, mkdtemp, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { assertOwnRoots } from './host-roots.js';

let base: string;
const at = (name: string) => join(base, name);
const tried = (stateRoot: string, secretsRoot = at('secrets'), own: string[] = [at('control-plane')]) =>
  assertOwnRoots({ stateRoot, secretsRoot }, own);

describe('folders of a host', () => {
  beforeEach(async () => {
    base = await mkdtemp(join(tmpdir(), 'wb-roots-'));
  });
  afterEach(() => rm(base, { recursive: true, force: true }));

  it('are taken when they are not there yet, empty, or hold gateways already', async () => {
    await expect(tried(at('none'))).resolves.toBeUndefined();
    await mkdir(at('state/.kept'), { recursive: true, mode: 0o700 });
    for (const name of ['gw_01k8x', 'gw_01k8x-r', '.proof-0aff', 'lost+found']) await mkdir(at(`state/${name}`));
    await mkdir(at('secrets'), { mode: 0o755 });
    await expect(tried(at('state'))).resolves.toBeUndefined();
  });

  it.each(['postgresql', 'home', '1000', '.ssh'])('are refused when %s is in them', async (name) => {
    await mkdir(at(`used/${name}`), { recursive: true });
    await expect(tried(at('used'))).rejects.toThrow('other things than gateways');
    await expect(tried(at('state'), at('used'))).rejects.toThrow('other things than gateways');
  });

  it('are refused when others may write there', async () => {
    await mkdir(at('shared'));
    await chmod(at('shared'), 0o1777);
    await expect(tried(at('state'), at('shared'))).rejects.toThrow('Others may write');
  });

  it('are refused when a link leads there', async () => {
    await mkdir(at('real/state'), { recursive: true });
    await symlink(at('real'), at('link'));
    for (const root of ['link', 'link/state', 'link/none/deeper'])
      await expect(tried(at(root))).rejects.toThrow('a link');
  });

  it('are refused when they lie in each other, in a gateway, or over what the control plane keeps', async () => {
    await expect(tried(at('a'), at('a/secrets'))).rejects.toThrow('within each other');
    await expect(tried(at('a/state'), at('a'))).rejects.toThrow('within each other');
    await expect(tried(at('gw_01k8x/state'))).rejects.toThrow('belongs to one gateway');
    for (const root of ['.', 'control-plane', 'control-plane/backups'])
      await expect(tried(at(root), '/nowhere/secrets')).rejects.toThrow('the control plane itself');
    await expect(tried(at('control-plane-2'))).resolves.toBeUndefined();
  });
});
