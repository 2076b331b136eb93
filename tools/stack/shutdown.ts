import { rm } from 'node:fs/promises';
import type { StackConsole } from './console.js';
import { driverFor, stopGateways, stopOwnEngine } from './gateway-host.js';
import type { StackPaths } from './paths.js';
import { stopPostgres } from './postgres.js';
import { endProcess, type PartName, type RunRecord } from './run-file.js';

/** Milliseconds a part has to finish what it does. Gateways drain up to 25 s. */
const GRACE: Record<PartName, number> = { proxy: 30_000, 'control-plane': 35_000 };

export interface ShutdownPlan {
  readonly record: RunRecord;
  readonly instance: string;
  readonly paths: StackPaths;
  readonly console: StackConsole;
  /** Aborted: kill the parts at once and leave gateways to the next start. */
  readonly force?: AbortSignal;
}

/**
 * Stops what the record names, from the outside in: proxy, control plane (so that nothing starts gateways again),
 * gateways, our engine, PostgreSQL. One that fails is told and does not keep the others from stopping; then false.
 */
export async function shutDown(plan: ShutdownPlan): Promise<boolean> {
  await rm(plan.paths.stack, { force: true });
  await rm(plan.paths.environment, { force: true });
  const results = [
    await attempt(plan, 'Proxy stopped', () => endPart(plan, 'proxy')),
    await attempt(plan, 'Control plane stopped', () => endPart(plan, 'control-plane')),
    await attempt(
      plan,
      (count) => `Gateways stopped (${count})`,
      () => endGateways(plan),
    ),
    await attempt(plan, 'Docker Engine stopped', () => endEngine(plan)),
    await attempt(plan, 'PostgreSQL stopped', () => endPostgres(plan)),
  ];
  return results.every(Boolean);
}

/** `undefined` from the work means there was nothing to do, and nothing is said. */
async function attempt<T>(
  { console }: ShutdownPlan,
  label: string | ((result: T) => string),
  work: () => Promise<T | undefined>,
): Promise<boolean> {
  const startedAt = performance.now();
  try {
    const result = await work();
    if (result !== undefined) console.done(typeof label === 'string' ? label : label(result), startedAt);
    return true;
  } catch (error) {
    console.warn((error as Error).message);
    return false;
  }
}

async function endPart({ record, force, console }: ShutdownPlan, name: PartName): Promise<true | undefined> {
  const identity = record.parts[name];
  if (!identity) return undefined;
  const outcome = await endProcess(identity, GRACE[name], force);
  if (outcome === 'killed' && !force?.aborted)
    console.warn(`${name} did not end within ${GRACE[name] / 1000} s and was killed`);
  return outcome === 'gone' ? undefined : true;
}

async function endGateways({ record, instance, paths, force }: ShutdownPlan): Promise<number | undefined> {
  if (!record.host || !record.gatewayPorts || force?.aborted) return undefined;
  const driver = await driverFor(record.host, instance, paths, record.gatewayPorts);
  return (await stopGateways(driver)) || undefined;
}

async function endEngine({ record, instance, paths, console }: ShutdownPlan): Promise<true | undefined> {
  if (record.host?.driver !== 'docker' || !record.host.ownEngine) return undefined;
  await stopOwnEngine(instance, paths, console.note);
  return true;
}

const endPostgres = async ({ record, paths }: ShutdownPlan): Promise<true | undefined> =>
  record.embeddedPostgres && (await stopPostgres(paths.dataDir)) ? true : undefined;
