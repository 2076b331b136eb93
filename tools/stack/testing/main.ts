/** `npm test`: provides real parts, runs Vitest's projects against them, counts, cleans up. Started by tools/test.mjs. */
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { StackConsole } from '../console.js';
import { ROOT } from '../paths.js';
import { readJson } from '../state-files.js';
import { TEST_PARTS, type TestBed } from './parts.js';
import { addCounts, countReport, type Counts, summaryLine, type VitestReport } from './report.js';
import { type Project, readSelection } from './selection.js';

const output = new StackConsole();
const ci = process.env['CI'] === 'true';
/** Tests never see a real database or a real provider's key of the person who runs them. */
const HIDDEN = /^(DATABASE_URL|REDIS_URL|(ANTHROPIC|OPENAI)_.*|WIREBOT_(?!TEST_).*)$/;

const stopping = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(signal, () => stopping.abort(new Error(`stopped by ${signal}`)));
}

/** Runs a program with the terminal as its own; a stop ends it first. Answers its exit code. */
function runProgram(args: readonly string[], env: NodeJS.ProcessEnv): Promise<number> {
  if (stopping.signal.aborted) return Promise.resolve(130);
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, args, { cwd: ROOT, env, stdio: 'inherit' });
    const end = () => child.kill('SIGTERM');
    stopping.signal.addEventListener('abort', end, { once: true });
    child.on('error', reject);
    child.on('exit', (code) => {
      stopping.signal.removeEventListener('abort', end);
      resolve(code ?? 1);
    });
  });
}

/** Sets each part's variable; says why one is missing. Answers how many are. */
async function provideParts(bed: TestBed): Promise<number> {
  let missing = 0;
  for (const part of TEST_PARTS) {
    if (stopping.signal.aborted) return missing;
    if (bed.env[part.variable]) {
      output.note(`${part.label}: given by ${part.variable}`);
      continue;
    }
    try {
      bed.env[part.variable] = await output.step(part.label, () => part.provide(bed));
    } catch (error) {
      missing += 1;
      output.warn(`${part.label} is missing, its tests are skipped: ${(error as Error).message}`);
    }
  }
  return missing;
}

async function runProject(project: Project, rest: readonly string[], bed: TestBed): Promise<Counts> {
  const reportFile = join(bed.directory, `${project}.json`);
  const vitest = join(ROOT, 'node_modules', 'vitest', 'vitest.mjs');
  const flags = [
    'run',
    '--project',
    project,
    '--reporter=default',
    '--reporter=json',
    `--outputFile.json=${reportFile}`,
    ...rest,
  ];
  console.log(`\n${project}`);
  const code = await runProgram([vitest, ...flags], bed.env);
  return countReport(await readJson<VitestReport>(reportFile), code);
}

async function cleanUp(bed: TestBed): Promise<void> {
  for (const cleanup of bed.cleanups.toReversed()) {
    await cleanup().catch((error: Error) => output.warn(`left behind: ${error.message}`));
  }
  await rm(bed.directory, { recursive: true, force: true, maxRetries: 5 });
}

async function main(bed: TestBed): Promise<number> {
  const selection = readSelection(process.argv.slice(2), ci);
  const check = selection.check ? await runProgram([join(ROOT, 'tools', 'build', 'check.mjs')], bed.env) : 0;
  const missing = selection.projects.some((project) => project !== 'unit') ? await provideParts(bed) : 0;
  const counts: Counts[] = [];
  for (const project of selection.projects) {
    if (stopping.signal.aborted) break;
    counts.push(await runProject(project, selection.rest, bed));
  }
  const total = addCounts(counts);
  console.log('');
  for (const [index, each] of counts.entries())
    output.note(`${selection.projects[index]!.padEnd(12)} ${summaryLine(each)}`);
  if (check !== 0) output.fail('The static checks failed; their output is above.');
  if (ci && missing > 0) output.fail(`${missing} real part(s) are missing; with CI=true that is an error.`);
  await cleanUp(bed);
  console.log(summaryLine(total));
  const good =
    total.failed === 0 && total.passed > 0 && check === 0 && !(ci && missing > 0) && !stopping.signal.aborted;
  return good ? 0 : 1;
}

const bed: TestBed = {
  directory: await mkdtemp(join(tmpdir(), 'wirebot-test-')),
  instance: randomBytes(4).toString('hex'),
  env: Object.fromEntries(Object.entries(process.env).filter(([name]) => !HIDDEN.test(name))),
  say: output.note,
  cleanups: [],
};
try {
  process.exitCode = await main(bed);
} catch (error) {
  output.fail(String((error as Error).stack ?? error));
  await cleanUp(bed);
  process.exitCode = 1;
}
process.exit();
