import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { delimiter, dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

export const ROOT = resolve(dirname(fileURLToPath(import.meta.url)), '..', '..');
const NODE_MAJOR = 24;

/** A fault a person has to act on: printed as one sentence, without a stack trace. */
export class Fault extends Error {}

/** The Node that everything runs with: the one npm installed, else this one when it is new enough. */
export function projectNode() {
  const installed = join(ROOT, 'node_modules', '.bin', 'node');
  if (existsSync(installed)) return installed;
  if (Number(process.versions.node.split('.')[0]) >= NODE_MAJOR) return process.execPath;
  throw new Fault(
    `Wirebot needs Node ${NODE_MAJOR}, and npm has none for ${process.platform} on ${process.arch}. Install Node ${NODE_MAJOR} and try again.`,
  );
}

/** The environment with the project's programs first, or (for npm itself) without them. */
export function environment({ programs }) {
  const bin = join(ROOT, 'node_modules', '.bin');
  const others = (process.env.PATH ?? '').split(delimiter).filter((folder) => folder !== bin);
  return { ...process.env, PATH: [...(programs ? [bin] : []), ...others].join(delimiter) };
}

/** Runs a program to its end and answers its output; rejects with the output when it fails. */
export function run(file, args, { env = environment({ programs: true }), signal } = {}) {
  return new Promise((done, fail) => {
    const child = spawn(file, args, { cwd: ROOT, env, stdio: ['ignore', 'pipe', 'pipe'], signal });
    let output = '';
    for (const stream of [child.stdout, child.stderr])
      stream.setEncoding('utf8').on('data', (text) => (output += text));
    child.on('error', fail);
    child.on('close', (code) =>
      code === 0 ? done(output) : fail(new Fault(`${[file, ...args].join(' ')} failed:\n${output.trim()}`)),
    );
  });
}

/**
 * Hands over to another program: it has the terminal, gets every signal this process gets, and its exit code becomes
 * ours. A terminal sends Ctrl-C to both; whoever reacts to a second one has to tell echoes from intent.
 */
export function handOver(file, args, env) {
  return new Promise((done, fail) => {
    const child = spawn(file, args, { cwd: ROOT, env, stdio: 'inherit' });
    const forward = (signal) => child.kill(signal);
    const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'];
    for (const signal of signals) process.on(signal, forward);
    child.on('error', fail);
    child.on('exit', (code, signal) => {
      for (const name of signals) process.off(name, forward);
      done(code ?? (signal === 'SIGINT' ? 130 : 1));
    });
  });
}
