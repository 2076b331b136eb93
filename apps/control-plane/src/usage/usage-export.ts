import { stringify } from 'csv-stringify';
import { Readable } from 'node:stream';
import { type DayRow, toSums } from './usage.repository.js';

const COLUMNS = [
  'day',
  'externalId',
  'memberId',
  'workspaceId',
  'tier',
  'provider',
  'model',
  'calls',
  'messages',
  'inputTokens',
  'outputTokens',
  'cachedTokens',
  'costMicros',
  'unpricedCalls',
  'estimatedCalls',
] as const;

const view = (row: DayRow) => ({
  day: row.day,
  externalId: row.externalId,
  memberId: row.memberId,
  workspaceId: row.workspaceId,
  tier: row.tierKey,
  provider: row.provider,
  model: row.model,
  ...toSums(row),
});

/** A table with a header; a cell that a spreadsheet would take for a formula is disarmed. */
export function toCsv(rows: AsyncIterable<DayRow>): Readable {
  const table = stringify({ header: true, columns: [...COLUMNS], escape_formulas: true });
  const source = Readable.from(mapped(rows));
  // A query that fails in the middle must end the download as broken, not as complete.
  source.on('error', (error) => table.destroy(error));
  return source.pipe(table);
}

/** One array, written as the rows come. */
export const toJson = (rows: AsyncIterable<DayRow>): Readable => Readable.from(jsonParts(rows));

async function* mapped(rows: AsyncIterable<DayRow>): AsyncGenerator<ReturnType<typeof view>> {
  for await (const row of rows) yield view(row);
}

async function* jsonParts(rows: AsyncIterable<DayRow>): AsyncGenerator<string> {
  let before = '[';
  for await (const row of rows) {
    yield `${before}${JSON.stringify(view(row))}`;
    before = ',\n';
  }
  yield before === '[' ? '[]' : ']';
}
