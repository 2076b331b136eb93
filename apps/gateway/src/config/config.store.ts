import type { GatewayConfig } from '#libs/contracts';
import { open, readFile, rename } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { StartRefused } from '../errors.js';
import { storageError } from '../store/store.errors.js';
import { checkGatewayConfig } from './gateway-config.check.js';
import { isObject } from './shape.check.js';

/** In the same file, so that a crash leaves both or neither. */
interface Stored {
  readonly config: GatewayConfig | undefined;
  readonly claimedBy: string | undefined;
}

/** `<state>/gateway.json`: the last configuration that was applied, and whose claim brought the first one. */
export class ConfigStore {
  readonly #path: string;
  #claimedBy: string | undefined;

  constructor(stateDir: string) {
    this.#path = join(stateDir, 'gateway.json');
  }

  /** Fingerprint of the credential that this gateway was claimed with; undefined when it never was. */
  get claimedBy(): string | undefined {
    return this.#claimedBy;
  }

  /**
   * Undefined before the first configuration, and after an upgrade from a version whose configuration says too little: the
   * control plane sees a gateway without one and sends it again. A damaged file is no reason to start empty.
   */
  async load(): Promise<GatewayConfig | undefined> {
    let text: string;
    try {
      text = await readFile(this.#path, 'utf8');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      throw new StartRefused('gateway.json cannot be read.', { cause: error });
    }
    try {
      const { config, claimedBy } = parse(text);
      this.#claimedBy = claimedBy;
      return config;
    } catch (error) {
      throw new StartRefused('gateway.json is damaged. Delete it: the control plane sends it again.', { cause: error });
    }
  }

  /** Atomic and on disk when it returns: a crash leaves the old file or the new one, never half of one. */
  async save(config: GatewayConfig, claimedBy = this.#claimedBy): Promise<void> {
    const stored = { ...config, ...(claimedBy === undefined ? {} : { claimedBy }) };
    try {
      await replaceFile(this.#path, `${JSON.stringify(stored, undefined, 2)}\n`);
    } catch (error) {
      throw storageError(error);
    }
    this.#claimedBy = claimedBy;
  }
}

async function replaceFile(path: string, text: string): Promise<void> {
  const staged = `${path}.new`;
  const file = await open(staged, 'w', 0o600);
  try {
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(staged, path);
  const folder = await open(dirname(path), 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

function parse(text: string): Stored {
  const stored = JSON.parse(text) as { claimedBy?: unknown };
  const claimedBy = typeof stored?.claimedBy === 'string' ? stored.claimedBy : undefined;
  return { config: isOlder(stored) ? undefined : checkGatewayConfig(stored), claimedBy };
}

/** Written before agents had trust profiles. */
function isOlder(stored: unknown): boolean {
  const { agents } = (stored ?? {}) as { agents?: unknown };
  return Array.isArray(agents) && agents.some((agent) => isObject(agent) && !('trust' in agent));
}
