/** Builds what changed since the last build into dist/. `--quiet` prints one line only, and that only when it built something. */
import { existsSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { STAGES } from './build/parts.mjs';
import { environment, Fault, handOver, projectNode, ROOT } from './build/project.mjs';
import { fingerprint, isCurrent, withStamp } from './build/stamps.mjs';
import { done, failed, note } from './build/steps.mjs';

const quiet = process.argv.includes('--quiet');
const LOCK_PATIENCE = 300_000;

/** One build at a time in this checkout. The kernel frees an abstract socket when its holder ends, however it ends. */
async function acquireLock() {
  const end = Date.now() + LOCK_PATIENCE;
  for (;;) {
    const server = createServer();
    const free = await new Promise((resolve) => {
      server.once('error', () => resolve(false));
      server.listen(`\0wirebot-build:${ROOT}`.slice(0, 100), () => resolve(true));
    });
    if (free) return server.unref();
    if (Date.now() > end)
      throw new Fault('Another build of this checkout has been running for five minutes. End it, then try again.');
    await delay(100);
  }
}

/** Builds one part unless its stamp is current; answers its name when it was built. */
async function buildPart(part) {
  if (part.script && !existsSync(join(ROOT, part.script))) return undefined;
  const stampFile = join(ROOT, 'dist', '.stamps', part.name.replaceAll(' ', '-'));
  const print = fingerprint(ROOT, part.inputs);
  const outputs = part.outputs.map((output) => join(ROOT, output));
  if (isCurrent(stampFile, print, outputs)) return undefined;
  const startedAt = performance.now();
  await withStamp(stampFile, print, part.make);
  if (!quiet) done(`Built: ${part.name}`, startedAt);
  return part.name;
}

async function build() {
  const startedAt = performance.now();
  await acquireLock();
  const built = [];
  for (const stage of STAGES) {
    const results = await Promise.allSettled(stage.map(buildPart));
    const fault = results.find((result) => result.status === 'rejected');
    if (fault) throw fault.reason;
    built.push(...results.map((result) => result.value).filter(Boolean));
  }
  if (built.length === 0 && !quiet) note('everything is built');
  if (built.length > 0 && quiet) done(`Build (${built.join(', ')})`, startedAt);
}

try {
  // Abstract sockets and the compilers want the project's Node, whatever started this script.
  if (process.execPath.includes('node_modules') || Number(process.versions.node.split('.')[0]) >= 24) await build();
  else process.exitCode = await handOver(projectNode(), process.argv.slice(1), environment({ programs: true }));
} catch (error) {
  failed(error instanceof Fault ? error.message : error.stack);
  process.exitCode = 1;
}
