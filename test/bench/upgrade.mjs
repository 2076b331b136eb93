// How long a member cannot be answered while the member's gateway goes to another image, against stopping and starting the
// bare gateway, in one run.
// Usage: node test/bench/run.mjs upgrade [--runs 8] [--driver docker|process]
import { copyFile, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { option } from './support/arguments.mjs';
import { bareGateway } from './support/bare-gateway.mjs';
import { withCleanup } from './support/cleanup.mjs';
import { Operator } from './support/operator.mjs';
import { BUNDLE, built } from './support/processes.mjs';
import { begin, median, printStatistics } from './support/report.mjs';
import { firstAnswer, Site } from './support/site.mjs';
import { startStack } from './support/stack.mjs';

const RUNS = Number(option('runs', 8));
const LIMIT = 120_000;
/** What the measurement before set off has ended by then. */
const PAUSE = 1_000;

await withCleanup(async (defer) => {
  const stack = await startStack(defer, option('driver', undefined));
  const images = await twoImages(defer, stack);
  const site = new Site(stack.file);
  const operator = await Operator.signIn(stack.file);
  await site.provision('bench', 'sovereign');
  const { gateway } = await site.member('bench');
  await firstAnswer(await site.token('bench'));

  /** Upgrades it while a client asks again and again, and tells the longest time between two answers. */
  let turn = 0;
  const upgrade = async () => {
    turn += 1;
    const token = await site.token('bench');
    const asking = new AbortController();
    const longest = longestSilence(token, asking.signal);
    // Until it is waited for: a benchmark that ends early has said why already.
    longest.catch(() => undefined);
    const from = await operator.call('GET', '/v1/admin/gateways');
    const before = upgradedOf(from, gateway.id)?.message;
    const began = performance.now();
    await operator.call('POST', `/v1/admin/gateways/${gateway.id}/upgrade`, { image: images[turn % 2] });
    const { message } = await upgraded(operator, gateway.id, before);
    const whole = performance.now() - began;
    await delay(300);
    asking.abort();
    return { whole, silent: await longest, held: Number(/(\d+) ms/.exec(message)[1]) };
  };
  /** The same question without an upgrade: how long an answer takes anyway. */
  const calm = async () => {
    const token = await site.token('bench');
    const asking = new AbortController();
    const longest = longestSilence(token, asking.signal);
    await delay(2_000);
    asking.abort();
    return { silent: await longest };
  };
  const bare = await bareGateway(defer, stack);
  await bare(0);
  await upgrade();
  const report = begin(`Upgrade of one gateway (${stack.file.driver} driver, embedded PostgreSQL)`);
  const [ups, floors, calms] = [[], [], []];
  for (let round = 1; round <= RUNS; round += 1) {
    for (const [measure, samples] of [
      [upgrade, ups],
      [bare, floors],
      [calm, calms],
    ]) {
      await delay(PAUSE);
      samples.push(await measure(round));
    }
  }
  report();
  const of = (samples, part) => samples.map((sample) => sample[part]);
  printStatistics('ms', [
    ['whole upgrade, rehearsal included', of(ups, 'whole')],
    ['routes held', of(ups, 'held')],
    ['member: longest time without an answer', of(ups, 'silent')],
    ['the same without an upgrade', of(calms, 'silent')],
    ['floor: bare gateway, create to first answer', of(floors, 'whole')],
  ]);
  const ratio = median(of(ups, 'silent')) / median(of(floors, 'whole'));
  console.log(`longest silence / floor (medians): ${ratio.toFixed(2)}; 1,000 ms of it the gateway is looked at`);
});

function upgradedOf({ items }, id) {
  return items.find((gateway) => gateway.id === id)?.conditions.find(({ type }) => type === 'Upgraded');
}

async function upgraded(operator, id, before) {
  const limit = Date.now() + LIMIT;
  for (;;) {
    const condition = upgradedOf(await operator.call('GET', '/v1/admin/gateways'), id);
    if (condition?.status && condition.message !== before) return condition;
    if (condition && !condition.status && condition.message !== before) throw new Error(condition.message);
    if (Date.now() > limit) throw new Error(`not upgraded: ${JSON.stringify(condition)}`);
    await delay(50);
  }
}

/** Asks without patience until the signal aborts. */
async function longestSilence(token, signal) {
  let [last, longest] = [performance.now(), 0];
  while (!signal.aborted) {
    await firstAnswer(token);
    const now = performance.now();
    longest = Math.max(longest, now - last);
    last = now;
  }
  return longest;
}

/** Of the same bundle; one has a line more. */
async function twoImages(defer, { host }) {
  const folder = await mkdtemp(join(tmpdir(), 'bench-images-'));
  defer(() => rm(folder, { recursive: true, force: true }));
  const bundle = await readFile(BUNDLE, 'utf8');
  const images = [];
  for (const name of ['one', 'two']) {
    const bundleDir = await mkdtemp(join(folder, `${name}-`));
    await copyFile(BUNDLE, join(bundleDir, 'gateway.mjs'));
    if (name === 'two') await writeFile(join(bundleDir, 'gateway.mjs'), `${bundle}\n// another version\n`);
    images.push(host.driver === 'docker' ? await imageOf(host, bundleDir) : join(bundleDir, 'gateway.mjs'));
  }
  return images;
}

async function imageOf({ socketPath }, bundleDir) {
  const { ensureGatewayImage } = await import(built('tools', 'docker', 'gateway-image.js'));
  return ensureGatewayImage({ socketPath, bundleDir, skipPull: true, onSay: () => undefined });
}
