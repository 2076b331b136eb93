import { rm } from 'node:fs/promises';
import { createInterface } from 'node:readline/promises';
import type { StackOptions } from '../build/arguments.mjs';
import { tryClaim } from './claim.js';
import type { StackConsole } from './console.js';
import { bringUpEngine, driverFor, removeGateways, removeRunDirectories, stopOwnEngine } from './gateway-host.js';
import { resetDatabase } from './migrations.js';
import { readOptional } from './optional-file.js';
import { stackPaths, type StackPaths } from './paths.js';
import { stopPostgres } from './postgres.js';
import type { RememberedPorts } from './ports.js';
import { type HostRecord, RunFile } from './run-file.js';
import { StackError } from './stack-error.js';
import { readJson } from './state-files.js';
import { stop } from './stop.js';

/** Stops the stack and deletes everything it made, except installed dependencies and the build. */
export async function reset(options: StackOptions, console: StackConsole): Promise<number> {
  const paths = stackPaths(options.dataDir);
  if (!options.yes && !(await confirmed(paths))) {
    console.note('Nothing was deleted.');
    return 1;
  }
  const host = (await RunFile.read(paths.run))?.host ?? (await readJson<HostRecord>(paths.host)) ?? null;
  await stop(options, console);
  const claim = await tryClaim(`stack:${paths.dataDir}`);
  if (!claim) throw new StackError('already-running', 'The stack was started again meanwhile. Stop it first.');
  const instance = ((await readOptional(paths.instance)) ?? '').trim();
  await stopPostgres(paths.dataDir);
  if (host && instance) await resetHost(host, instance, paths, console);
  const external = process.env['DATABASE_URL'];
  if (external) await console.step('Database emptied', () => resetDatabase(external));
  await rm(paths.dataDir, { recursive: true, force: true });
  console.note(`Deleted ${paths.dataDir}. npm start begins anew.`);
  await claim.release();
  return 0;
}

async function confirmed(paths: StackPaths): Promise<boolean> {
  if (!process.stdin.isTTY)
    throw new StackError(
      'not-confirmed',
      'npm run reset deletes every member, gateway and message of this stack. Say so with: npm run reset -- --yes',
    );
  const database = process.env['DATABASE_URL'] ? ' and everything in the database that DATABASE_URL names' : '';
  const prompt = createInterface({ input: process.stdin, output: process.stdout });
  const answer = await prompt.question(
    `Delete ${paths.dataDir} with all members, gateways and messages${database}? [y/N] `,
  );
  prompt.close();
  return /^y(es)?$/i.test(answer.trim());
}

/** Also in our own engine one by one: that takes away mounts and bridges which deleting its data would leave behind. */
async function resetHost(host: HostRecord, instance: string, paths: StackPaths, console: StackConsole): Promise<void> {
  const ports = (await readJson<RememberedPorts>(paths.ports))?.gateways ?? { from: 21_000, to: 21_999 };
  if (host.driver === 'docker' && host.ownEngine) await bringUpEngine(instance, paths, console.note);
  const driver = await driverFor(host, instance, paths, ports);
  await console.step(
    (count) => `Gateways removed (${count})`,
    () => removeGateways(driver, host, instance),
  );
  if (host.driver === 'docker' && host.ownEngine) await stopOwnEngine(instance, paths, console.note);
  await removeRunDirectories(instance);
}
