// How long until a new member's agent answers with a gateway made ahead, started when it is needed, and the bare floor.
// Usage: node test/bench/run.mjs warm [--runs 10] [--driver docker|process]
import { setTimeout as delay } from 'node:timers/promises';
import { option } from './support/arguments.mjs';
import { bareGateway } from './support/bare-gateway.mjs';
import { withCleanup } from './support/cleanup.mjs';
import { Operator } from './support/operator.mjs';
import { begin, median, printStatistics, quantile } from './support/report.mjs';
import { firstAnswer, Site } from './support/site.mjs';
import { startStack } from './support/stack.mjs';

const RUNS = Number(option('runs', 10));
/** Between two measurements: what the one before set off (route publication, audit, checkpoints) has ended by then. */
const PAUSE = 700;
const FILL_LIMIT = 60_000;

await withCleanup(async (defer) => {
  const stack = await startStack(defer, option('driver', undefined));
  const site = new Site(stack.file);
  const operator = await Operator.signIn(stack.file);
  const report = begin(`Warm pool (${stack.file.driver} driver, embedded PostgreSQL)`);

  /** Resolves once exactly so many are ready and nothing is under way. */
  const pool = async (size) => {
    await operator.call('PUT', '/v1/admin/warm-pool', { size, quietSeconds: 0, memoryHeadroomMb: 0 });
    const limit = Date.now() + FILL_LIMIT;
    for (;;) {
      const { status } = await operator.call('GET', '/v1/admin/warm-pool');
      if (status.ready === size && status.changing === 0) return status.gateways.map(({ id }) => id);
      if (Date.now() > limit) throw new Error(`the pool was not filled: ${JSON.stringify(status)}`);
      await delay(50);
    }
  };

  /** From the API call to the operation's end, and to the first answer of the agent through the proxy. */
  const member = (kind, size) => async (round) => {
    const ready = await pool(size);
    await delay(PAUSE);
    const name = `bench-${kind}-${round}`;
    const began = performance.now();
    const { accepted, succeeded } = await site.provision(name, 'sovereign');
    await firstAnswer(await site.token(name));
    const answered = performance.now();
    const { gateway } = await site.member(name);
    if (ready.includes(gateway.id) !== size > 0) throw new Error(`${name} did not get a gateway of the ${kind} kind`);
    return { accepted: accepted - began, succeeded: succeeded - began, answered: answered - began };
  };
  const warm = member('warm', 1);
  const cold = member('cold', 0);
  await cold('first');
  await warm('first');
  const bare = await bareGateway(defer, stack);
  await bare(0);

  const lanes = [
    [warm, []],
    [cold, []],
    [bare, []],
  ];
  for (let round = 1; round <= RUNS; round += 1) {
    for (let turn = 0; turn < lanes.length; turn += 1) {
      const [measure, samples] = lanes[(round + turn) % lanes.length];
      await delay(PAUSE);
      samples.push(await measure(round));
    }
  }
  await pool(0);
  report();

  const [w, c, b] = lanes.map(
    ([, samples]) =>
      (part) =>
        samples.map((sample) => sample[part]),
  );
  printStatistics('ms', [
    ['warm: accepted', w('accepted')],
    ['warm: operation succeeded', w('succeeded')],
    ['warm: first answer', w('answered')],
    ['cold: operation succeeded', c('succeeded')],
    ['cold: first answer', c('answered')],
    ['floor: whole', b('whole')],
  ]);
  const ratio = (part) => (median(c(part)) / median(b('whole'))).toFixed(2);
  console.log(`warm, p95 until the operation has succeeded: ${quantile(w('succeeded'), 0.95).toFixed(0)} ms`);
  console.log(`warm, p95 until the first answer:            ${quantile(w('answered'), 0.95).toFixed(0)} ms`);
  console.log(
    `warm / cold until the first answer (medians): ${(median(w('answered')) / median(c('answered'))).toFixed(2)}`,
  );
  console.log(`cold / floor until the operation has succeeded (medians): ${ratio('succeeded')}`);
  console.log(`cold / floor until the first answer (medians):            ${ratio('answered')}`);
});
