import { expect } from 'vitest';
import { callOf, type RouteCaller } from './route-caller.js';
import type { DeclaredRoute } from './route-inventory.js';
import type { Actor } from './world.js';

const withoutInstance = (body: string): string => body.replace(/"instance":"[^"]*"/, '');

/** Somebody else's things are answered as things that do not exist, and stay as they are. Resolves with how many calls that took. */
export async function expectHidden(caller: RouteCaller, route: DeclaredRoute, owner: Actor): Promise<number> {
  const { world } = caller.cast;
  const { stranger } = callOf(route);
  let before = {};
  const pairs = await caller.reachFor(route, owner, async () => {
    before = await world.snapshot(owner);
  });
  expect(pairs.length).toBeGreaterThan(0);
  for (const { foreign, unknown } of pairs) {
    expect([404, stranger?.status]).toContain(foreign.status);
    expect(unknown.status).toBe(foreign.status);
    const sameText = foreign.status < 400 || withoutInstance(foreign.body) === withoutInstance(unknown.body);
    expect(sameText, `${foreign.body} is not ${unknown.body}`).toBe(true);
  }
  expect(await world.snapshot(owner), 'nothing of theirs was changed').toEqual(before);
  return pairs.length * 2;
}
