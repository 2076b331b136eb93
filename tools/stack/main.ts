/** The stack on this machine. Started by tools/start.mjs with the parsed command line as JSON. */
import { DomainError } from '#libs/kernel';
import type { StackOptions } from '../build/arguments.mjs';
import { StackConsole } from './console.js';
import { reset } from './reset.js';
import { start } from './start.js';
import { status } from './status.js';
import { stop } from './stop.js';

const COMMANDS: Readonly<Record<string, (options: StackOptions, console: StackConsole) => Promise<number>>> = {
  start,
  stop,
  status,
  reset,
};

// The terminal may be gone while parts still have to be stopped in order.
process.stdout.on('error', () => undefined);
process.stderr.on('error', () => undefined);

const output = new StackConsole();
try {
  const options = JSON.parse(process.argv[2] ?? '{}') as StackOptions;
  process.exitCode = await COMMANDS[options.command]!(options, output);
} catch (error) {
  const known = error instanceof DomainError;
  output.fail(known ? error.message : String((error as Error).stack ?? error));
  process.exitCode = 1;
}
// Pools and agents of libraries may keep the loop alive; everything has been stopped or has failed by now.
process.exit();
