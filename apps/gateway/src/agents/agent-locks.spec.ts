import { describe, expect, it } from 'vitest';
import { AgentLocks } from './agent-locks.js';

const settled = () => new Promise((resolve) => setImmediate(resolve));

describe('locks of agents', () => {
  it('keep others out of the same agent only, in the order of asking', async () => {
    const locks = new AgentLocks();
    const order: string[] = [];
    const take = async (name: string, ...agents: string[]) => {
      const release = await locks.acquire(agents);
      order.push(name);
      return release;
    };
    const first = await take('first', 'a');
    const second = take('second', 'a', 'b');
    const third = take('third', 'b', 'a');
    await take('apart', 'c');
    await settled();
    expect(order).toEqual(['first', 'apart']);
    first();
    (await second)();
    (await third)();
    expect(order).toEqual(['first', 'apart', 'second', 'third']);
    (await take('again', 'a', 'b', 'a'))();
  });
});
