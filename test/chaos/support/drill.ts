import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { delay } from '#libs/kernel';

/**
 * The control plane's own failure drill (`WIREBOT_STEP_DRILL`): it writes down every step of every transition as it is reached,
 * and dies at the one that is planned.
 */
export class Drill {
  private constructor(readonly folder: string) {}

  static async create(): Promise<Drill> {
    const drill = new Drill(await mkdtemp(join(tmpdir(), 'wb-drill-')));
    await drill.clear();
    return drill;
  }

  get env(): Record<string, string> {
    return { WIREBOT_STEP_DRILL: this.folder };
  }

  /** Kills the control plane (`freeze`: stops it) the next time it gets there. */
  async plan(point: string, how: 'kill' | 'freeze' = 'kill'): Promise<void> {
    await writeFile(join(this.folder, 'plan'), how === 'kill' ? point : `freeze ${point}`);
  }

  /** True once the planned step was reached, and with it the process's end. */
  async isOver(): Promise<boolean> {
    return (await readFile(join(this.folder, 'plan'), 'utf8')).trim() === '';
  }

  async untilOver(limitMs: number): Promise<boolean> {
    const end = Date.now() + limitMs;
    while (!(await this.isOver())) {
      if (Date.now() > end) return false;
      await delay(20);
    }
    return true;
  }

  /** Nothing is planned, and nothing was reached so far. */
  async clear(): Promise<void> {
    await writeFile(join(this.folder, 'plan'), '');
    await writeFile(join(this.folder, 'trace'), '');
  }

  /** Every step that was reached since `clear`, each once, in the order of their first time. */
  async reached(): Promise<string[]> {
    const lines = (await readFile(join(this.folder, 'trace'), 'utf8')).trim().split('\n');
    return [...new Set(lines.filter((line) => line !== ''))];
  }

  async dispose(): Promise<void> {
    await rm(this.folder, { recursive: true, force: true });
  }
}
