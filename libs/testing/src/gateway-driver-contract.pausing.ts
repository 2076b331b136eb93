import { describe, expect, it } from 'vitest';
import type { GatewayDriver } from '#libs/drivers/core';
import {
  ask,
  type DriverBench,
  eventually,
  failureOf,
  forever,
  newGatewayId,
  untilHealthy,
} from './gateway-driver-lab.js';

const MEGABYTE = 1024 * 1024;

/** Freezing, limits and what is used: the part of the contract that a sleeping fleet rests on. */
export function describePausing(bench: DriverBench): void {
  const driver = (): GatewayDriver => bench.lab().driver;
  const statusOf = async (id: string) => (await driver().inspect(id, forever())).status;

  describe('pausing', () => {
    it('freezes a gateway where it is, and resume lets the same process go on', async () => {
      const spec = bench.draft();
      const address = await bench.start(spec);
      const before = await bench.running(spec.id);
      const { pid } = await ask<{ pid: number }>(address, '/identity');
      await driver().pause(spec.id, forever());
      expect(await driver().inspect(spec.id, forever())).toEqual({ ...before, status: 'paused' });
      await expect(ask(address, '/health', {}, 300)).rejects.toThrow(/timeout|aborted/);
      await driver().resume(spec.id, forever());
      expect(await bench.running(spec.id)).toEqual(before);
      expect(await ask(address, '/identity')).toMatchObject({ pid });
    });

    it('changes nothing the second time, and neither does resuming what runs', async () => {
      const spec = bench.draft();
      const address = await bench.start(spec);
      await driver().resume(spec.id, forever());
      await Promise.all([driver().pause(spec.id, forever()), driver().pause(spec.id, forever())]);
      await driver().pause(spec.id, forever());
      expect(await statusOf(spec.id)).toBe('paused');
      await Promise.all([driver().resume(spec.id, forever()), driver().resume(spec.id, forever())]);
      await untilHealthy(address);
    });

    it('is refused for what does not run, and resuming that has no effect', async () => {
      const spec = bench.draft();
      await bench.start(spec);
      await driver().stop(spec.id, 5, forever());
      for (const id of [spec.id, newGatewayId()]) {
        const failure = await failureOf(driver().pause(id, forever()));
        expect(failure).toMatchObject({ code: 'engine-refused', retryable: false });
        await driver().resume(id, forever());
      }
      expect(await statusOf(spec.id)).toBe('stopped');
    });

    it('is seen by a control plane that has just been started, which lists it as running', async () => {
      const spec = bench.draft();
      await bench.start(spec);
      await driver().pause(spec.id, forever());
      const reopened = await bench.lab().reopen();
      expect((await reopened.inspect(spec.id, forever())).status).toBe('paused');
      expect(await reopened.list(forever())).toEqual([{ id: spec.id, generation: 1, running: true }]);
      await reopened.resume(spec.id, forever());
      expect(await statusOf(spec.id)).toBe('running');
    });

    it('ends with ensure of the same spec, without another start', async () => {
      const spec = bench.draft();
      const address = await bench.start(spec);
      const before = await bench.running(spec.id);
      await driver().pause(spec.id, forever());
      expect(await driver().ensure(spec, forever())).toEqual(address);
      await untilHealthy(address);
      expect(await bench.running(spec.id)).toEqual(before);
    });

    it('does not keep a gateway from being replaced, after a drain', async () => {
      const spec = bench.draft();
      await bench.start(spec);
      await driver().pause(spec.id, forever());
      const address = await bench.start({ ...spec, generation: 2 });
      expect(await ask(address, '/state')).toMatchObject({ files: ['drained'] });
      expect((await bench.running(spec.id)).generation).toBe(2);
    });

    it('does not keep a gateway from being stopped after a drain, or removed', async () => {
      const spec = bench.draft();
      await bench.start(spec);
      await driver().pause(spec.id, forever());
      await driver().stop(spec.id, 10, forever());
      expect(await driver().inspect(spec.id, forever())).toMatchObject({ status: 'stopped', exitCode: 0 });
      await bench.start(spec);
      await driver().pause(spec.id, forever());
      await driver().remove(spec.id, forever());
      expect(await statusOf(spec.id)).toBe('absent');
    });

    it('leaves a gateway that is killed meanwhile one that ensure brings back', async () => {
      const spec = bench.draft();
      await bench.start(spec);
      const before = await bench.running(spec.id);
      await driver().pause(spec.id, forever());
      await bench.lab().kill(spec.id);
      // Some kernels deliver the signal to a frozen process only when it goes on.
      await driver().resume(spec.id, forever());
      await eventually('the killed process is gone', async () => {
        const state = await driver().inspect(spec.id, forever());
        return state.status === 'stopped' || (state.status === 'running' && state.startedAt !== before.startedAt);
      });
      expect(await ask(await bench.start(spec), '/health')).toEqual({ ok: true });
    });
  });

  describe('limits and use', () => {
    it('other limits come without another start, also by ensure, also while it is paused', async () => {
      const spec = bench.draft();
      const address = await bench.start(spec);
      const before = await bench.running(spec.id);
      const wider = { cpus: 2, memoryBytes: 320 * MEGABYTE, pids: 96 };
      await driver().adjust(spec.id, wider, forever());
      await driver().ensure({ ...spec, resources: wider }, forever());
      await driver().pause(spec.id, forever());
      const narrower = { cpus: 0.5, memoryBytes: 256 * MEGABYTE, pids: 80 };
      await driver().adjust(spec.id, narrower, forever());
      expect(await statusOf(spec.id)).toBe('paused');
      await driver().ensure({ ...spec, resources: narrower }, forever());
      await untilHealthy(address);
      expect(await bench.running(spec.id)).toEqual(before);
      expect(await bench.lab().limitsOf(spec.id)).toEqual(bench.lab().hasLimits ? narrower : null);
    });

    it('limits of what is not there are nobody’s', async () => {
      const id = newGatewayId();
      await driver().adjust(id, { cpus: 1, memoryBytes: 192 * MEGABYTE, pids: 64 }, forever());
      expect(await statusOf(id)).toBe('absent');
    });

    it('stats tell what a gateway uses, also a paused one', async () => {
      const spec = bench.draft();
      const address = await bench.start(spec);
      await ask(address, '/burn', { milliseconds: '120' });
      await ask(address, '/store', { file: 'album', bytes: String(2 * MEGABYTE) });
      const check = async (): Promise<void> => {
        const stats = await driver().stats(spec.id, forever());
        expect(stats.memoryBytes).toBeGreaterThan(10 * MEGABYTE);
        expect(stats.memoryBytes).toBeLessThan(spec.resources.memoryBytes);
        expect(stats.cpuSeconds).toBeGreaterThan(0.1);
        expect(stats.pids).toBeGreaterThan(1);
        expect(stats.diskBytes).toBeGreaterThanOrEqual(2 * MEGABYTE);
        expect(stats.diskBytes).toBeLessThan(3 * MEGABYTE);
      };
      await check();
      await driver().pause(spec.id, forever());
      await check();
    });

    it('stats of what does not run know its disk only', async () => {
      const spec = bench.draft();
      await bench.start(spec);
      await driver().stop(spec.id, 5, forever());
      const unknown = { memoryBytes: null, cpuSeconds: null, pids: null };
      expect(await driver().stats(newGatewayId(), forever())).toEqual({ ...unknown, diskBytes: 0 });
      const stats = await driver().stats(spec.id, forever());
      expect(stats).toEqual({ ...unknown, diskBytes: stats.diskBytes });
      expect(stats.diskBytes).toBeGreaterThan(0);
    });

    it('usage tells what the host has', async () => {
      const { cpus, memoryBytes, disk } = await driver().usage(forever());
      expect(cpus).toBeGreaterThan(0);
      expect(memoryBytes).toBeGreaterThan(256 * MEGABYTE);
      expect(disk!.totalBytes).toBeGreaterThan(disk!.freeBytes);
      expect(disk!.freeBytes).toBeGreaterThan(0);
    });
  });
}
