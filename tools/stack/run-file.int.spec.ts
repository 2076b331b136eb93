import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { identifyProcess } from '#libs/drivers/core';
import { describe, expect, it } from 'vitest';
import { endProcess, RunFile } from './run-file.js';

const program = async (code: string) => {
  const child = spawn(process.execPath, ['-e', `${code}; setInterval(() => {}, 1000); console.log('up')`], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  await once(child.stdout, 'data');
  return { child, identity: identifyProcess(child.pid!)! };
};

describe('ending a recorded process', () => {
  it('leaves a process alone that merely has the recorded pid', async () => {
    const { child, identity } = await program('');
    try {
      expect(await endProcess({ pid: identity.pid, mark: 'an earlier boot:1' }, 1_000)).toBe('gone');
      expect(identifyProcess(identity.pid)).toEqual(identity);
    } finally {
      child.kill('SIGKILL');
    }
  });

  it('asks first', async () => {
    const { identity } = await program('');
    expect(await endProcess(identity, 5_000)).toBe('ended');
  });

  it('kills what does not listen', async () => {
    const { identity } = await program(`process.on('SIGTERM', () => {})`);
    expect(await endProcess(identity, 100)).toBe('killed');
    expect(identifyProcess(identity.pid)).toBeUndefined();
  });

  it('does not wait out the grace once it is to hurry', async () => {
    const { identity } = await program(`process.on('SIGTERM', () => {})`);
    expect(await endProcess(identity, 600_000, AbortSignal.timeout(50))).toBe('killed');
  });
});

describe('the record of a run', () => {
  it('holds every change in order and goes away at the end', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'wirebot-run-'));
    const path = join(directory, 'run.json');
    const me = identifyProcess(process.pid)!;
    const run = new RunFile(path, me);
    const changes = [run.setPart('proxy', me), run.setPart('control-plane', me), run.setPart('proxy', undefined)];
    await Promise.all(changes);
    expect(JSON.parse(await readFile(path, 'utf8'))).toMatchObject({ supervisor: me, parts: { 'control-plane': me } });
    expect((await RunFile.read(path))?.parts).not.toHaveProperty('proxy');
    await run.remove();
    expect(await RunFile.read(path)).toBeUndefined();
    await rm(directory, { recursive: true });
  });
});
