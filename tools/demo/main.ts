import { readFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import type { StackFile } from '#libs/contracts';
import { deadline } from '#libs/kernel';
import { DemoUnavailable, ExpectationFailed, Refused } from './errors.js';
import { Story, type Cast } from './story.js';
import { inWords, Transcript } from './transcript.js';

/** The whole demo ends by then, in milliseconds. */
const WHOLE_DEMO = 300_000;

const USAGE = `Usage: npm run demo -- [--stack <file>] [--keep] [--json]
  --stack <file>  describes the running stack (default .wirebot/stack.json)
  --keep          use the same two members at every run
  --json          print the times of the steps as JSON`;

function readOptions(): { stack: string; keep: boolean; json: boolean; help: boolean } {
  const flag = { type: 'boolean', default: false } as const;
  try {
    const { values } = parseArgs({
      options: { stack: { type: 'string', default: '.wirebot/stack.json' }, keep: flag, json: flag, help: flag },
    });
    return values;
  } catch (cause) {
    throw new DemoUnavailable(`${cause instanceof Error ? cause.message : String(cause)}\n${USAGE}`, { cause });
  }
}

async function readStack(path: string): Promise<StackFile> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (cause) {
    throw new DemoUnavailable(`There is no running stack: ${path} cannot be read. Start one with "npm start".`, {
      cause,
    });
  }
  try {
    const stack = JSON.parse(text) as Partial<StackFile>;
    if (stack.controlPlane?.url && stack.tenant?.apiKey && stack.admin?.url) return stack as StackFile;
  } catch (cause) {
    throw new DemoUnavailable(`${path} is not valid JSON. Start the stack again with "npm start".`, { cause });
  }
  throw new DemoUnavailable(`${path} does not describe a stack. Start it again with "npm start".`);
}

function chooseCast(keep: boolean): Cast {
  const run = keep ? 'kept' : Date.now().toString(36);
  return { shared: `demo-${run}-ada`, dedicated: `demo-${run}-grace` };
}

async function main(): Promise<number> {
  const options = readOptions();
  if (options.help) {
    console.log(USAGE);
    return 0;
  }
  const stack = await readStack(options.stack);
  const interrupt = new AbortController();
  process.once('SIGINT', () => interrupt.abort(new DemoUnavailable('Interrupted. The members of this run stay.')));
  const out = new Transcript(options.json);
  out.title(`Wirebot demo: tenant ${stack.tenant.slug}, ${stack.driver} driver`);
  const story = new Story(stack, out, deadline(WHOLE_DEMO, interrupt.signal));
  const from = performance.now();
  const result = await story.tell(chooseCast(options.keep)).then(
    (signInLinks) => ({ ok: true, signInLinks, failure: undefined }),
    (error: unknown) => ({ ok: false, signInLinks: {}, failure: describe(error) }),
  );
  const milliseconds = Math.round(performance.now() - from);
  if (options.json) {
    console.log(
      JSON.stringify({ ...result, milliseconds, firstTokenMilliseconds: story.firstTokens, steps: out.steps }, null, 2),
    );
  } else if (result.ok) out.title(`Everything held, in ${inWords(milliseconds)}.`);
  if (result.failure) console.error(`\nThe demo failed. ${result.failure}`);
  return result.ok ? 0 : 1;
}

function describe(error: unknown): string {
  if (error instanceof Refused) return `A call was refused with ${error.status} ${error.code}: ${error.message}`;
  if (error instanceof ExpectationFailed || error instanceof DemoUnavailable) return error.message;
  if (error instanceof Error && error.name === 'TimeoutError')
    return 'It took longer than its time-out allows; see "npm run status".';
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}

try {
  process.exitCode = await main();
} catch (error) {
  if (!(error instanceof DemoUnavailable)) throw error;
  console.error(error.message);
  process.exitCode = 2;
}
