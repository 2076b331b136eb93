import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { expect, it } from 'vitest';
import { identifyProcess, isAlive, signalProcess } from './process-identity.js';

it('tells a process from a later one with the same pid', () => {
  const self = identifyProcess(process.pid)!;
  expect(isAlive(self)).toBe(true);
  const earlier = { ...self, mark: `${self.mark}0` };
  expect(isAlive(earlier)).toBe(false);
  // Signal 0 would succeed on the pid; the other start time is what refuses.
  expect(signalProcess(earlier, 'SIGTERM')).toBe(false);
});

it('does not take pid 0, pid 1, a group or nonsense for a gateway', () => {
  for (const pid of [0, 1, -1, -process.pid, Number.NaN, 1.5]) expect(identifyProcess(pid)).toBeUndefined();
});

it('takes an ended process for gone', async () => {
  const child = spawn(process.execPath, ['-e', 'process.stdin.resume()'], { stdio: ['pipe', 'ignore', 'ignore'] });
  const identity = identifyProcess(child.pid!)!;
  expect(signalProcess(identity, 'SIGKILL')).toBe(true);
  await once(child, 'exit');
  expect(isAlive(identity)).toBe(false);
  expect(signalProcess(identity, 'SIGTERM')).toBe(false);
});
