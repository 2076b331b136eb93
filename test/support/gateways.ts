import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import Docker from 'dockerode';
import { parts, type TestStack } from './stack.js';

const engine = (): Docker => new Docker({ socketPath: parts.docker! });

const instanceOf = async (stack: TestStack): Promise<string> =>
  (await readFile(join(stack.dataDir, 'instance'), 'utf8')).trim();

const containersOf = async (stack: TestStack, ...labels: string[]): Promise<Docker.ContainerInfo[]> =>
  engine().listContainers({
    filters: JSON.stringify({ label: [`wirebot.instance=${await instanceOf(stack)}`, ...labels] }),
  });

/** Process ids of gateways of this stack by their environment: what runs, not what a record says. */
async function processesOf(stack: TestStack): Promise<{ pid: number; id: string }[]> {
  const found: { pid: number; id: string }[] = [];
  for (const name of await readdir('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    const environment = await readFile(`/proc/${name}/environ`, 'utf8').catch(() => '');
    if (!environment.includes(`WIREBOT_STATE_DIR=${join(stack.dataDir, 'gateways')}`)) continue;
    const id = /WIREBOT_GATEWAY_ID=([\w]+)/.exec(environment)?.[1];
    if (id) found.push({ pid: Number(name), id });
  }
  return found;
}

/** Gateway ids, one for each container or process that really runs. */
export async function runningGateways(stack: TestStack): Promise<string[]> {
  if (stack.file.driver === 'docker')
    return (await containersOf(stack)).map((container) => container.Labels['wirebot.gateway']!);
  return (await processesOf(stack)).map((entry) => entry.id);
}

/** kill -9 of the gateway's process, from outside whatever runs it. */
export async function killGateway(stack: TestStack, gatewayId: string): Promise<void> {
  if (stack.file.driver === 'process') {
    for (const entry of await processesOf(stack)) if (entry.id === gatewayId) process.kill(entry.pid, 'SIGKILL');
    return;
  }
  const [container] = await containersOf(stack, `wirebot.gateway=${gatewayId}`);
  const { State } = await engine().getContainer(container!.Id).inspect();
  process.kill(State.Pid, 'SIGKILL');
}
