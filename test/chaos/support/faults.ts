import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { AgentRoute } from '#libs/contracts';
import { defaultSecretsRoot } from '#libs/drivers/core';
import { delay } from '#libs/kernel';
import { readFile } from 'node:fs/promises';
import { runningGateways } from '../../support/gateways.js';
import type { TestStack } from '../../support/stack.js';

interface GatewayRow {
  readonly id: string;
  readonly phase: string;
  readonly port: number | null;
  readonly pool: string | null;
  readonly address: { readonly host: string; readonly port: number } | null;
}

interface AgentRow {
  readonly id: string;
  readonly phase: string;
  readonly gateway_id: string | null;
  readonly attached_to: string | null;
  readonly unfinished: boolean;
  readonly route: AgentRoute | null;
}

const RUNS = ['ready', 'warm', 'paused'];
const RESTS = [...RUNS, 'suspended', 'deleted'];
const SLEEPS = ['paused', 'suspended'];

const gatewaysOf = (stack: TestStack): Promise<GatewayRow[]> =>
  stack.database.query<GatewayRow & object>('SELECT id, phase, port, pool, address FROM gateways');

const agentsOf = (stack: TestStack): Promise<AgentRow[]> =>
  stack.database.query<AgentRow & object>(`
    SELECT a.id, a.phase, a.gateway_id, a.attached_to, r.route,
      coalesce(target_gateway_id, previous_gateway_id, leave_gateway_id, restore_backup_id) IS NOT NULL AS unfinished
    FROM agents a LEFT JOIN routes r ON r.agent_id = a.id`);

const entriesOf = (directory: string): Promise<string[]> =>
  readdir(directory).then(
    (names) => names.filter((name) => !name.startsWith('.')).toSorted(),
    () => [],
  );

const differ = (what: string, is: readonly string[], should: readonly string[]): string[] => {
  const [a, b] = [is.toSorted(), should.toSorted()];
  return JSON.stringify(a) === JSON.stringify(b) ? [] : [`${what}: there are [${a}], there should be [${b}]`];
};

/** What runs, what is on the disk and which ports are taken, against the rows. */
async function gatewayFaults(stack: TestStack, gateways: readonly GatewayRow[]): Promise<string[]> {
  const instance = (await readFile(join(stack.dataDir, 'instance'), 'utf8')).trim();
  const kept = gateways.filter((row) => row.phase !== 'deleted');
  const ids = (rows: readonly GatewayRow[]) => rows.map((row) => row.id);
  const running = ids(gateways.filter((row) => RUNS.includes(row.phase)));
  const ports = kept.map((row) => String(row.port));
  return [
    ...gateways.filter((row) => !RESTS.includes(row.phase)).map((row) => `gateway ${row.id} is ${row.phase}`),
    ...differ('running gateways', await runningGateways(stack), running),
    ...differ('state folders', await entriesOf(join(stack.dataDir, 'gateways')), ids(kept)),
    ...differ('secrets folders', await entriesOf(await defaultSecretsRoot(instance)), ids(kept)),
    ...differ('ports', ports, [...new Set(ports)]),
    ...gateways.filter((row) => row.phase === 'deleted' && row.port !== null).map((row) => `${row.id} keeps its port`),
  ];
}

async function agentFaults(
  stack: TestStack,
  agents: readonly AgentRow[],
  gateways: readonly GatewayRow[],
): Promise<string[]> {
  const faults: string[] = [];
  for (const agent of agents) {
    if (!['ready', 'inactive', 'deleted'].includes(agent.phase) || agent.unfinished)
      faults.push(`agent ${agent.id} is ${agent.phase}${agent.unfinished ? ' and on its way' : ''}`);
    const home = gateways.find((row) => row.id === agent.gateway_id);
    faults.push(...routeFaults(agent, home), ...(await folderFaults(stack, agent, gateways)));
  }
  return faults;
}

function routeFaults({ id, phase, route, attached_to }: AgentRow, home: GatewayRow | undefined): string[] {
  if (phase !== 'ready') return route ? [`agent ${id} is ${phase} and has a route`] : [];
  if (!home || home.id !== attached_to) return [`agent ${id} is ready and not attached to where it is`];
  const state = SLEEPS.includes(home.phase) ? 'asleep' : 'live';
  const right = route?.gatewayId === home.id && route.state === state && route.target.port === home.address?.port;
  return right ? [] : [`agent ${id} has the route ${JSON.stringify(route)}, home is ${home.id} (${home.phase})`];
}

/** One folder an agent, at its home: nowhere else is a copy left. */
async function folderFaults(stack: TestStack, agent: AgentRow, gateways: readonly GatewayRow[]): Promise<string[]> {
  const holders: string[] = [];
  for (const { id } of gateways.filter((row) => row.phase !== 'deleted')) {
    const folders = await entriesOf(join(stack.dataDir, 'gateways', id, 'agents'));
    if (folders.includes(agent.id)) holders.push(id);
  }
  // Put away before it was ever attached: nothing of it exists yet.
  if (agent.phase === 'inactive' && holders.length === 0) return [];
  const should = agent.phase === 'deleted' || !agent.gateway_id ? [] : [agent.gateway_id];
  return differ(`folders of agent ${agent.id}`, holders, should);
}

/** Whatever is not as the rows say, or rows that say something is still to be done. Empty: all is well. */
export async function faultsOf(stack: TestStack): Promise<string[]> {
  const [gateways, agents] = [await gatewaysOf(stack), await agentsOf(stack)];
  const open = await stack.database.query<{ id: string; kind: string }>(
    "SELECT id, kind FROM operations WHERE status IN ('pending', 'running')",
  );
  return [
    ...(await gatewayFaults(stack, gateways)),
    ...(await agentFaults(stack, agents, gateways)),
    ...open.map((row) => `operation ${row.id} (${row.kind}) is open`),
  ];
}

/** Waits until all is well; resolves with what still is not after `limitMs`. */
export async function untilWell(stack: TestStack, limitMs: number): Promise<string[]> {
  const end = Date.now() + limitMs;
  for (;;) {
    const faults = await faultsOf(stack);
    if (faults.length === 0 || Date.now() > end) return faults;
    await delay(100);
  }
}
