import type { GatewayConfig } from '#libs/contracts';
import { open, readFile, rename } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { StartRefused } from '../errors.js';
import { checkGatewayConfig } from './gateway-config.check.js';
import { isObject } from './shape.check.js';

/** `<state>/gateway.json`: the last configuration that was applied. */
export class ConfigStore {
  readonly #path: string;

  constructor(stateDir: string) {
    this.#path = join(stateDir, 'gateway.json');
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
      const stored = JSON.parse(text) as unknown;
      return isOlder(stored) ? undefined : checkGatewayConfig(stored);
    } catch (error) {
      throw new StartRefused('gateway.json is damaged. Delete it: the control plane sends it again.', { cause: error });
    }
  }

  /** Atomic and on disk when it returns: a crash leaves the old file or the new one, never half of one. */
  async save(config: GatewayConfig): Promise<void> {
    const staged = `${this.#path}.new`;
    const file = await open(staged, 'w', 0o600);
    try {
      await file.writeFile(`${JSON.stringify(config, undefined, 2)}\n`);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(staged, this.#path);
    const folder = await open(dirname(this.#path), 'r');
    try {
      await folder.sync();
    } finally {
      await folder.close();
    }
  }
}

/** Written before agents had trust profiles. */
function isOlder(stored: unknown): boolean {
  const { agents } = (stored ?? {}) as { agents?: unknown };
  return Array.isArray(agents) && agents.some((agent) => isObject(agent) && !('trust' in agent));
}
