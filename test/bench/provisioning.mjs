// How long until a new member's agent answers, against what the same gateway takes with nothing around it.
// Usage: node test/bench/run.mjs provisioning [--runs 10] [--driver docker|process]
import { setTimeout as delay } from 'node:timers/promises';
import { option } from './support/arguments.mjs';
import { bareGateway } from './support/bare-gateway.mjs';
import { withCleanup } from './support/cleanup.mjs';
import { begin, median, printStatistics } from './support/report.mjs';
import { firstAnswer, Site } from './support/site.mjs';
import { startStack } from './support/stack.mjs';

const RUNS = Number(option('runs', 10));
/** Between two measurements: what the one before set off (route publication, audit, checkpoints) has ended by then. */
const PAUSE = 700;

await withCleanup(async (defer) => {
  const stack = await startStack(defer, option('driver', undefined));
  const site = new Site(stack.file);
  const report = begin(`Provisioning (${stack.file.driver} driver, embedded PostgreSQL)`);
  let turnedAway = 0;

  /** From the API call to the operation's end, and to the first answer of the agent through the proxy. */
  const member = (tier) => async (round) => {
    const name = `bench-${tier}-${round}`;
    const began = performance.now();
    const { accepted, succeeded, steps } = await site.provision(name, tier);
    turnedAway += await firstAnswer(await site.token(name));
    const answered = performance.now();
    return { accepted: accepted - began, succeeded: succeeded - began, answered: answered - began, steps };
  };
  const shared = member('wire');
  const dedicated = member('sovereign');
  // Starts the tenant's shared gateway; nobody's figures.
  const newCell = await shared('first');
  await dedicated('first');
  const bare = await bareGateway(defer, stack);
  await bare(0);

  const lanes = [
    [shared, []],
    [dedicated, []],
    [bare, []],
  ];
  for (let round = 1; round <= RUNS; round += 1) {
    for (let turn = 0; turn < lanes.length; turn += 1) {
      const [measure, samples] = lanes[(round + turn) % lanes.length];
      await delay(PAUSE);
      samples.push(await measure(round));
    }
  }
  report();

  const [s, d, b] = lanes.map(
    ([, samples]) =>
      (part) =>
        samples.map((sample) => sample[part]),
  );
  printStatistics('ms', [
    ['shared: accepted', s('accepted')],
    ['shared: operation succeeded', s('succeeded')],
    ['shared: first answer', s('answered')],
    ['dedicated: accepted', d('accepted')],
    ['dedicated: operation succeeded', d('succeeded')],
    ['dedicated: first answer', d('answered')],
    ['floor: create', b('create')],
    ['floor: start', b('start')],
    ['floor: boot until /health', b('boot')],
    ['floor: whole', b('whole')],
  ]);
  printStatistics('dedicated: steps of the operation (ms)', stepRows(d('steps')));
  /** Of what ran side by side in one round: a load that comes and goes hits both. */
  const ratio = (part) => {
    const rounds = d(part).map((value, index) => value / b('whole')[index]);
    return `${(median(d(part)) / median(b('whole'))).toFixed(2)} of medians, ${median(rounds).toFixed(2)} median of rounds`;
  };
  console.log(`first shared member (new gateway): ${newCell.answered.toFixed(0)} ms`);
  console.log(`dedicated / floor until the operation has succeeded: ${ratio('succeeded')}`);
  console.log(`dedicated / floor until the first answer:            ${ratio('answered')}`);
  console.log(`first requests turned away after "succeeded": ${turnedAway}`);
});

function stepRows(operations) {
  const duration = ({ startedAt, finishedAt }) => new Date(finishedAt) - new Date(startedAt);
  const timed = operations.map((steps) => steps.filter((step) => step.startedAt && step.finishedAt));
  return timed[0].map(({ name }) => [name, timed.map((steps) => duration(steps.find((step) => step.name === name)))]);
}
