import { styleText } from 'node:util';

export interface TimedStep {
  readonly name: string;
  readonly title: string;
  readonly milliseconds: number;
}

/** What the demo prints: numbered steps with their times, indented details, an answer as it streams. */
export class Transcript {
  readonly steps: TimedStep[] = [];
  #streaming = false;

  /** `quiet`: nothing is printed, the steps are only kept (`--json`). */
  constructor(
    private readonly quiet: boolean,
    private readonly write: (text: string) => void = (text) => void process.stdout.write(text),
  ) {}

  title(text: string): void {
    this.#line(`\n${styleText('bold', text)}\n`);
  }

  /** Runs one step and notes how long it took, also when it fails. */
  async step<T>(name: string, title: string, run: () => Promise<T>): Promise<T> {
    const number = String(this.steps.length + 1).padStart(2);
    this.#line(`${styleText('bold', `${number}  ${title}`)}\n`);
    const from = performance.now();
    try {
      return await run();
    } finally {
      const milliseconds = Math.round(performance.now() - from);
      this.steps.push({ name, title, milliseconds });
      this.#line(styleText('dim', `    ${inWords(milliseconds)}\n\n`));
    }
  }

  /** One fact of a step. */
  fact(label: string, value: string): void {
    this.#line(`    ${label.padEnd(22)} ${value}\n`);
  }

  /** A piece of an answer, printed where the last one ended. */
  piece(text: string): void {
    const start = this.#streaming ? '' : '    > ';
    this.#streaming = true;
    if (!this.quiet) this.write(start + text.replaceAll('\n', '\n    > '));
  }

  endOfAnswer(): void {
    if (this.#streaming && !this.quiet) this.write('\n');
    this.#streaming = false;
  }

  #line(text: string): void {
    this.endOfAnswer();
    if (!this.quiet) this.write(text);
  }
}

export const inWords = (milliseconds: number): string =>
  milliseconds < 1000 ? `${Math.round(milliseconds)} ms` : `${(milliseconds / 1000).toFixed(2)} s`;
