import type { StackOptions } from '../build/arguments.mjs';
import type { StackConsole } from './console.js';
import type { StackPaths } from './paths.js';
import type { RunFile } from './run-file.js';

/** What every step of a start works with. */
export interface StartContext {
  readonly options: StackOptions;
  readonly env: NodeJS.ProcessEnv;
  readonly paths: StackPaths;
  readonly instance: string;
  readonly console: StackConsole;
  readonly run: RunFile;
  /** Aborts when the stack is to stop. */
  readonly signal: AbortSignal;
}
