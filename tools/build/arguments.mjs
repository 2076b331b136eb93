import { resolve } from 'node:path';

const COMMANDS = ['start', 'stop', 'status', 'reset', 'demo'];

export const HELP = `Wirebot on this machine

  npm start                 installs, builds and starts everything; Ctrl-C stops it
  npm run stop              stops what runs, also after a crash
  npm run status            what runs, where (exit code 0 running, 3 stopped)
  npm run reset             stops, then deletes gateways, state and database
  npm run demo              the main job against the running stack

  --driver docker|process   where gateways run (default: docker where it can be had)
  --port <number>           the proxy's port; the next two are the control plane's and the broker's (default 4100)
  --data-dir <path>         where state lives (default .wirebot, or WIREBOT_DATA_DIR)
  --json                    status as JSON
  --yes                     reset without asking
  --help                    this text

Flags follow two dashes: npm start -- --driver process. More: docs/local-stack.md`;

/** What a flag does to the options; a string is the fault to report. */
const FLAGS = {
  '--driver': (options, value) => {
    if (value !== 'docker' && value !== 'process') return '--driver takes docker or process.';
    options.driver = value;
  },
  '--port': (options, value) => {
    const port = Number(value);
    if (!/^\d+$/.test(value) || port < 1 || port > 65_533) return '--port takes a number from 1 to 65533.';
    options.port = port;
  },
  '--data-dir': (options, value) => {
    options.dataDir = value;
  },
};
const SWITCHES = { '--yes': 'yes', '-y': 'yes', '--json': 'json', '--help': 'help', '-h': 'help' };

/**
 * Reads the command line. Everything after `demo` belongs to the demo. Answers `{error}` with a sentence when something
 * is wrong.
 */
export function parseArguments(argv, env, cwd) {
  const options = {
    command: 'start',
    driver: undefined,
    port: undefined,
    dataDir: undefined,
    yes: false,
    json: false,
    help: false,
    rest: [],
  };
  const words = [...argv];
  if (COMMANDS.includes(words[0])) options.command = words.shift();
  if (options.command === 'demo') options.rest = words.splice(0);
  const error = readFlags(words, options);
  if (error) return { error };
  options.dataDir = resolve(cwd, options.dataDir ?? (env.WIREBOT_DATA_DIR || '.wirebot'));
  return { options };
}

function readFlags(words, options) {
  while (words.length > 0) {
    const [name, inline] = splitOnce(words.shift());
    if (SWITCHES[name] && inline === undefined) {
      options[SWITCHES[name]] = true;
      continue;
    }
    if (!FLAGS[name]) return `I do not know "${name}". See npm start -- --help.`;
    const value = inline ?? words.shift();
    if (!value) return `${name} needs a value.`;
    const fault = FLAGS[name](options, value);
    if (fault) return fault;
  }
  return undefined;
}

function splitOnce(word) {
  const at = word.indexOf('=');
  return word.startsWith('--') && at > 0 ? [word.slice(0, at), word.slice(at + 1)] : [word, undefined];
}
