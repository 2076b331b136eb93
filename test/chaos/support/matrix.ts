import { mkdir, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';

export interface Cell {
  readonly scenario: string;
  /** The step after which the control plane died. */
  readonly point: string;
  readonly fault: string;
  /** Until everything was well again, in milliseconds from the change. */
  readonly milliseconds: number;
  /** Empty: as it should be. */
  readonly wrong: readonly string[];
}

const FOLDER = resolve(import.meta.dirname, '../../../.chaos');

/** What was tried and what came of it, for people: `.chaos/<name>.md` beside the code. */
export async function writeMatrix(name: string, cells: readonly Cell[]): Promise<string> {
  await mkdir(FOLDER, { recursive: true });
  const file = join(FOLDER, `${name}.md`);
  const lines = cells.map(
    ({ scenario, point, fault, milliseconds, wrong }) =>
      `| ${scenario} | \`${point}\` | ${fault} | ${(milliseconds / 1000).toFixed(1)} s | ${wrong.length === 0 ? 'well' : wrong.join('; ')} |`,
  );
  await writeFile(
    file,
    ['| change | died after | fault | well after | result |', '| --- | --- | --- | --- | --- |', ...lines, ''].join(
      '\n',
    ),
  );
  return file;
}
