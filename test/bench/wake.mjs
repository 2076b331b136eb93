// How long a member waits for an agent that sleeps, against what its process takes to go on with nothing around it.
// Usage: node test/bench/run.mjs wake [--runs 10] [--driver docker|process]
import { readdir, readFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import Docker from 'dockerode';
import { option } from './support/arguments.mjs';
import { bareGateway } from './support/bare-gateway.mjs';
import { withCleanup } from './support/cleanup.mjs';
import { Operator } from './support/operator.mjs';
import { healthyAt } from './support/processes.mjs';
import { begin, median, printStatistics } from './support/report.mjs';
import { firstAnswer, Site } from './support/site.mjs';
import { startStack } from './support/stack.mjs';

const RUNS = Number(option('runs', 10));
const LIMIT = 180_000;
/** Between two measurements: what the one before set off has ended by then. */
const PAUSE = 700;

await withCleanup(async (defer) => {
  const stack = await startStack(defer, option('driver', undefined));
  const site = new Site(stack.file);
  const operator = await Operator.signIn(stack.file);
  await site.provision('sleeper', 'sovereign');
  const token = await site.token('sleeper');
  await firstAnswer(token);
  const { id } = (await site.member('sleeper')).gateway;
  const { health, ...host } = await hostOf(stack, id);
  const report = begin(`Waking (${stack.file.driver} driver, embedded PostgreSQL)`);

  const phaseIs = (phase) => async () =>
    (await operator.call('GET', '/v1/admin/gateways')).items.find((gateway) => gateway.id === id).phase === phase;
  /** As soon as it has nothing to do; its tier then says whether it is frozen or ended. */
  const asleep = async (phase) => {
    await until(() =>
      operator.call('POST', `/v1/admin/gateways/${id}/suspend`, {}).then(
        () => true,
        (error) => {
          if (!error.message.includes('gateway-busy')) throw error;
          return false;
        },
      ),
    );
    await until(phaseIs(phase));
    await delay(PAUSE);
  };
  /** Through the proxy: it waits there, is woken, and answered. One request and no second try. */
  const wake = (phase) => async () => {
    await asleep(phase);
    const began = performance.now();
    const answer = await fetch(`${token.url.replace(/\/$/, '')}/health`, {
      headers: { authorization: `Bearer ${token.token}` },
      signal: AbortSignal.timeout(LIMIT),
    });
    await answer.text();
    if (answer.status !== 200) throw new Error(`a sleeping agent answered ${answer.status}`);
    const took = performance.now() - began;
    await until(phaseIs('ready'));
    return took;
  };
  /** The same process by the engine alone: resumed, and asked once. Shorter than the control plane looks away. */
  const resumed = async () => {
    await host.pause();
    await delay(PAUSE);
    const began = performance.now();
    await host.resume();
    await healthyAt(health);
    return performance.now() - began;
  };
  const bare = await bareGateway(defer, stack);
  const started = async (round) => {
    const { start, boot } = await bare(round);
    return start + boot;
  };
  // A change of the tier is news for the gateway too: made before anything is measured. A minute is the least that tiers take.
  const pairs = [
    [null, ['frozen: first answer', wake('paused')], ['floor: resume + GET', resumed]],
    [60, ['ended: first answer', wake('suspended')], ['floor: start + boot + GET', started]],
  ];
  for (const [stopAfterSeconds, ...lanes] of pairs) {
    const idlePolicy = { suspendAfterSeconds: stopAfterSeconds ?? 86_400, stopAfterSeconds };
    await operator.changeTier(stack.file.tenant.id, 'sovereign', { idlePolicy });
    const [ours, floor] = await rounds(lanes);
    console.log(`${ours[0].split(':')[0]} / floor: ${(median(ours[1]) / median(floor[1])).toFixed(2)} of medians`);
  }
  report();
});

/** Side by side, so that a load that comes and goes hits both; the first round warms up. */
async function rounds(lanes) {
  const rows = lanes.map(([label]) => [label, []]);
  for (let round = 0; round <= RUNS; round += 1) {
    for (const [lane, [, measure]] of lanes.entries()) {
      await delay(PAUSE);
      const took = await measure(round);
      if (round > 0) rows[lane][1].push(took);
    }
  }
  printStatistics('ms', rows, 1);
  return rows;
}

async function until(holds) {
  const end = Date.now() + LIMIT;
  while (!(await holds())) {
    if (Date.now() > end) throw new Error('it did not happen in time');
    await delay(25);
  }
}

/** The gateway's process by its engine alone, and where it answers. */
async function hostOf({ host, file }, id) {
  if (file.driver === 'process') {
    const { health } = await processOf(id);
    const signal = (name) => async () => process.kill((await processOf(id)).pid, name);
    return { health, pause: signal('SIGSTOP'), resume: signal('SIGCONT') };
  }
  const docker = new Docker({ socketPath: host.socketPath });
  const filters = JSON.stringify({ label: [`wirebot.gateway=${id}`] });
  const [{ Id }] = await docker.listContainers({ all: true, filters });
  const container = docker.getContainer(Id);
  const { NetworkSettings, Config } = await container.inspect();
  const port = Config.Env.find((entry) => entry.startsWith('WIREBOT_PORT=')).split('=')[1];
  const [{ IPAddress, IPAMConfig }] = Object.values(NetworkSettings.Networks);
  return {
    health: `http://${IPAddress || IPAMConfig.IPv4Address}:${port}/health`,
    pause: () => container.pause(),
    resume: () => container.unpause(),
  };
}

/** A gateway that is ended and started again is another process. */
async function processOf(id) {
  for (const pid of (await readdir('/proc')).filter((name) => /^\d+$/.test(name))) {
    const environment = await readFile(`/proc/${pid}/environ`, 'utf8').catch(() => '');
    if (!environment.includes(`WIREBOT_GATEWAY_ID=${id}`)) continue;
    const port = /WIREBOT_PORT=(\d+)/.exec(environment)[1];
    return { pid: Number(pid), health: `http://127.0.0.1:${port}/health` };
  }
  throw new Error(`no process of ${id} runs`);
}
