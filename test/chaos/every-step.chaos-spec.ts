import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { Cell } from './support/matrix.js';
import { writeMatrix } from './support/matrix.js';
import { pointsOf, runToDeath } from './support/run-scenario.js';
import { SCENARIOS } from './support/scenarios.js';
import { World } from './support/world.js';

/**
 * Each change runs once undisturbed, which tells the steps it passes; then again for each of them, and the control plane
 * is killed there (unless it does not come that way again: a shared gateway is made once). Afterwards there must be exactly the gateways, routes, folders and ports that the rows want, the operation has
 * succeeded, and the conversation goes on with every message answered once.
 */
describe('kill -9 of the control plane after every step of every change', () => {
  let world: World;
  const cells: Cell[] = [];
  const passed = new Set<string>();

  beforeAll(async () => {
    world = await World.start('process', { env: { WIREBOT_GATEWAY_RECHECK_SECONDS: '1' } });
  });

  afterEach(() => writeMatrix('kill-at-every-step', cells));
  afterAll(() => world.dispose());

  it.each(SCENARIOS)('$name', { timeout: 900_000 }, async (scenario) => {
    const points = await pointsOf(world, scenario);
    expect(points.length).toBeGreaterThan(0);
    for (const point of points) {
      passed.add(point);
      const cell = await runToDeath(world, scenario, point);
      if (cell) cells.push(cell);
    }
    const own = cells.filter((cell) => cell.scenario === scenario.name);
    expect(own.length).toBeGreaterThan(0);
    expect(own.filter((cell) => cell.wrong.length > 0)).toEqual([]);
  });

  it('leaves out no step that any of them passes', () => {
    const died = new Set(cells.map((cell) => cell.point));
    expect([...passed].filter((point) => !died.has(point))).toEqual([]);
  });
});
