/**
 * `npm run wirebot -- <command> ...`: the operator's commands, run beside the control plane with its configuration. While
 * a local stack runs, its settings are used; otherwise the environment must say what the control plane is told.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { environment, Fault, handOver, projectNode, ROOT } from './build/project.mjs';
import { failed } from './build/steps.mjs';

const COMMANDS = {
  audit: 'check the chain of the audit log, export it',
  backup: 'backups of agents: list, create, restore, verify, drill',
  doctor: 'what is wrong, in sentences; --repair repairs it',
  keys: 'signing keys of member tokens: list, rotate, retire',
  secrets: 'master key, data keys and broker keys: status, rotate',
};

const HELP = `Wirebot's commands

${Object.entries(COMMANDS)
  .map(([name, text]) => `  npm run wirebot -- ${name.padEnd(8)} ${text}`)
  .join('\n')}

  --data-dir <path>   the running stack whose settings are used (default .wirebot, or WIREBOT_DATA_DIR)

Each command explains itself with --help. Without a running stack, DATABASE_URL and the other variables of the control
plane must be set. More: docs/secrets.md`;

/** Takes `--data-dir` out of the words, wherever it stands. */
function takeDataDir(words) {
  const at = words.findIndex((word) => word === '--data-dir' || word.startsWith('--data-dir='));
  if (at === -1) return resolve(process.env.WIREBOT_DATA_DIR || '.wirebot');
  const [, inline] = words[at].split('=', 2);
  const [value] = inline === undefined ? words.splice(at, 2).slice(1) : (words.splice(at, 1), [inline]);
  if (!value) throw new Fault('--data-dir needs a value.');
  return resolve(value);
}

/** What the running stack tells its control plane; undefined when none runs there. */
function stackEnvironment(dataDir) {
  const path = join(dataDir, 'environment.json');
  if (!existsSync(path)) return undefined;
  try {
    return JSON.parse(readFileSync(path, 'utf8'));
  } catch (cause) {
    throw new Fault(`${path} cannot be read (${cause.code ?? 'it is not JSON'}). Start the stack again.`, { cause });
  }
}

async function main() {
  const words = process.argv.slice(2);
  const [name] = words;
  if (!name || name === '--help' || name === '-h') {
    console.log(HELP);
    return 0;
  }
  if (!Object.hasOwn(COMMANDS, name))
    throw new Fault(`I do not know "${name}". There is: ${Object.keys(COMMANDS).join(', ')}.`);
  const dataDir = takeDataDir(words);
  const stack = stackEnvironment(dataDir);
  if (!stack && !process.env.DATABASE_URL && !words.includes('--help'))
    throw new Fault(
      `No stack runs in ${dataDir}, and DATABASE_URL is not set. Start it (npm start), name another one (--data-dir), or set the control plane's variables.`,
    );
  const script = join(ROOT, 'dist', 'apps', 'control-plane', 'src', 'commands', `${name}.js`);
  if (!existsSync(script)) throw new Fault('It is not built yet: npm run build');
  const env = { ...environment({ programs: true }), ...stack };
  return handOver(projectNode(), ['--enable-source-maps', script, ...words.slice(1)], env);
}

try {
  process.exitCode = await main();
} catch (error) {
  failed(error instanceof Fault ? error.message : error.stack);
  process.exitCode = 1;
}
