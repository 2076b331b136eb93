import { describe, expect, it } from 'vitest';
import { HeldLease, LeaseGuard } from './lease-guard.js';
import { LeaseLost } from './provisioning.errors.js';

const LONG_AGO = { monotonic: -1e9, wall: 0 };
const READS = new Set(['look']);

class World {
  readonly done: string[] = [];
  readonly name = 'world';
  look(): string {
    return 'seen';
  }
  async change(what: string): Promise<string> {
    this.done.push(what);
    return what;
  }
}

const lease = (stillOurs: boolean, since?: typeof LONG_AGO) => {
  const asked: number[] = [];
  const held = new HeldLease(
    'gw_1',
    15,
    async () => {
      asked.push(1);
      return stillOurs;
    },
    since,
  );
  return { held, asked };
};

describe('the guard of a lease', () => {
  it('asks nobody while the lease is fresh', async () => {
    const [guard, world] = [new LeaseGuard(), new World()];
    const { held, asked } = lease(false);
    expect(await guard.run(held, () => guard.guarded(world, READS).change('a'))).toBe('a');
    expect([world.done, asked]).toEqual([['a'], []]);
  });

  it('lets nothing change after a freeze in which somebody else took over', async () => {
    const [guard, world] = [new LeaseGuard(), new World()];
    const { held } = lease(false, LONG_AGO);
    await expect(guard.run(held, () => guard.guarded(world, READS).change('a'))).rejects.toThrow(LeaseLost);
    expect(world.done).toEqual([]);
  });

  it('goes on after a freeze in which nobody did, and asks once', async () => {
    const [guard, world] = [new LeaseGuard(), new World()];
    const { held, asked } = lease(true, LONG_AGO);
    await guard.run(held, async () => {
      await guard.guarded(world, READS).change('a');
      await guard.guarded(world, READS).change('b');
    });
    expect([world.done, asked.length]).toEqual([['a', 'b'], 1]);
  });

  it('also notices a freeze that one of its clocks slept through', async () => {
    const { held } = lease(false, { monotonic: performance.now(), wall: 0 });
    expect(held.isFresh).toBe(false);
    const other = lease(false, { monotonic: -1e9, wall: Date.now() });
    expect(other.held.isFresh).toBe(false);
  });

  it('lets reads and plain values pass, and everything outside a pass', async () => {
    const [guard, world] = [new LeaseGuard(), new World()];
    const { held, asked } = lease(false, LONG_AGO);
    const guarded = guard.guarded(world, READS);
    expect(await guard.run(held, async () => [guarded.look(), guarded.name])).toEqual(['seen', 'world']);
    expect(await guarded.change('outside')).toBe('outside');
    expect(asked).toEqual([]);
  });
});
