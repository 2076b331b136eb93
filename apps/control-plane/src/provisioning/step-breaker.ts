import { appendFileSync, readFileSync, writeFileSync } from 'node:fs';
import { StepObserver } from './steps.js';

/**
 * For failure drills (docs/provisioning.md): writes down every step as it is reached, and kills the process at one of them.
 * The file `plan` holds what to kill at (`gateway creating ensured`), once: it is emptied first, so that the next process lives.
 * `freeze ...` stops the process instead, until somebody lets it go on: as a machine that was suspended.
 */
export class StepBreaker extends StepObserver {
  /** `folder` holds `plan` and receives `trace`. */
  constructor(private readonly folder: string) {
    super();
  }

  override reached(kind: string, phase: string, step: string): void {
    this.#at(`${kind} ${phase} ${step}`);
  }

  override committed(kind: string, from: string, to: string): void {
    this.#at(`${kind} ${from} > ${to}`);
  }

  #at(point: string): void {
    appendFileSync(`${this.folder}/trace`, `${point}\n`);
    const plan = `${this.folder}/plan`;
    const planned = this.#read(plan);
    if (planned !== point && planned !== `freeze ${point}`) return;
    writeFileSync(plan, '');
    process.kill(process.pid, planned === point ? 'SIGKILL' : 'SIGSTOP');
  }

  #read(file: string): string {
    try {
      return readFileSync(file, 'utf8').trim();
    } catch {
      return '';
    }
  }
}
