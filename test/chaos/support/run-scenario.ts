import type { Cell } from './matrix.js';
import type { Memory, Scenario } from './scenario-parts.js';
import { untilWell } from './faults.js';
import type { World } from './world.js';

/** Everything must be well again within this time, in milliseconds, wherever the control plane died. */
export const CONVERGES_WITHIN = 60_000;

let members = 0;
const nextMember = (): string => `m${(members += 1)}`;

/** Runs it undisturbed and resolves with every step that it passes. */
export async function pointsOf(world: World, scenario: Scenario): Promise<string[]> {
  const member = nextMember();
  const memory = await scenario.prepare(world, member);
  await demandWell(world, `before ${scenario.name}`);
  await world.drill.clear();
  await world.succeeded(await scenario.act(world, member, memory));
  await through(world, scenario, member, memory);
  await demandWell(world, scenario.name);
  const points = await world.drill.reached();
  await scenario.holds(world, member, memory);
  await leave(world, member);
  return points;
}

/** Runs it, has the control plane die at that step, and looks at what is left. Undefined: it did not come that way this time. */
export async function runToDeath(world: World, scenario: Scenario, point: string): Promise<Cell | undefined> {
  const member = nextMember();
  const memory = await scenario.prepare(world, member);
  await demandWell(world, `before ${scenario.name}`);
  const began = Date.now();
  await world.drill.plan(point);
  const operation = await scenario.act(world, member, memory);
  if (!(await died(world, scenario, member, memory, operation))) {
    await world.drill.clear();
    await leave(world, member);
    return undefined;
  }
  const wrong = await whatIsWrong(world, scenario, member, memory, operation);
  const cell = { scenario: scenario.name, point, fault: 'kill -9', milliseconds: Date.now() - began, wrong };
  await leave(world, member);
  return cell;
}

/** False once the change is through and the step was not among those it passed. */
async function died(
  world: World,
  scenario: Scenario,
  member: string,
  memory: Memory,
  operation?: string,
): Promise<boolean> {
  if (operation) await world.api.finished(operation, CONVERGES_WITHIN).catch(() => undefined);
  await through(world, scenario, member, memory).catch(() => undefined);
  const faults = await untilWell(world.stack, CONVERGES_WITHIN);
  return faults.length > 0 || (await world.drill.isOver());
}

async function through(world: World, scenario: Scenario, member: string, memory: Memory): Promise<void> {
  await world.until(async () => (await scenario.isDone?.(world, member, memory)) ?? true);
}

async function whatIsWrong(
  world: World,
  scenario: Scenario,
  member: string,
  memory: Memory,
  operation: string | undefined,
): Promise<string[]> {
  try {
    await world.succeeded(operation);
    await through(world, scenario, member, memory);
    const faults = await untilWell(world.stack, CONVERGES_WITHIN);
    if (faults.length > 0) return faults;
    await scenario.holds(world, member, memory);
    return [];
  } catch (error) {
    return [(error as Error).message.split('\n')[0] ?? 'failed'];
  }
}

async function demandWell(world: World, when: string): Promise<void> {
  const faults = await untilWell(world.stack, CONVERGES_WITHIN);
  if (faults.length > 0) throw new Error(`${when}: ${faults.join('; ')}`);
}

/** Gives back what the member took. Where that fails, the next look says so. */
async function leave(world: World, member: string): Promise<void> {
  const answer = await world.api.call('GET', `/v1/members/${member}`).catch(() => undefined);
  if (answer?.status !== 200) return;
  await world.succeeded(await world.change('POST', `/v1/members/${member}/erase`, undefined, `${member}-leave`));
}
