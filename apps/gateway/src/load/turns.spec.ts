import { describe, expect, it } from 'vitest';
import { Turns } from './turns.js';

const round = () => new Promise((resolve) => setImmediate(resolve));

describe('turns', () => {
  it('come at once for who is alone', async () => {
    const turns = new Turns();
    const order: string[] = [];
    const taken = turns.take('a').then(() => order.push('a'));
    await Promise.resolve().then(() => Promise.resolve());
    expect(order).toEqual(['a']);
    await taken;
  });

  it('go round: a flood for one agent lets each other one in between', async () => {
    const turns = new Turns();
    const order: string[] = [];
    const take = (agent: string) => turns.take(agent).then(() => order.push(agent));
    const all = Array.from({ length: 50 }, () => take('flooded'));
    await round();
    all.push(take('late'), take('later'));
    await Promise.resolve();
    expect(order.slice(-2)).toEqual(['late', 'later']);
    expect(order.length).toBeLessThan(6);
    await Promise.all(all);
    expect(order.filter((agent) => agent === 'flooded')).toHaveLength(50);
  });

  it('keep the order of asking', async () => {
    const turns = new Turns();
    const order: number[] = [];
    await Promise.all([1, 2, 3, 4].map((n) => turns.take('a').then(() => order.push(n))));
    expect(order).toEqual([1, 2, 3, 4]);
  });
});
