import { addAbortSignal, Readable } from 'node:stream';
import { stringify } from 'csv-stringify/sync';
import type { AuditEntryView } from './audit.repository.js';
import type { ExportFormat } from './dto/audit-query.dto.js';

export const EXPORT_TYPES: Record<ExportFormat, string> = {
  jsonl: 'application/x-ndjson; charset=utf-8',
  csv: 'text/csv; charset=utf-8; header=present',
};

const COLUMNS = [
  'seq',
  'at',
  'actor',
  'action',
  'resource',
  'resourceId',
  'data',
  'origin',
  'requestId',
  'tenantId',
  'id',
  'hash',
] as const;

const toJsonLines = (entries: readonly AuditEntryView[]): string =>
  entries.map((entry) => `${JSON.stringify(entry)}\n`).join('');

/** A spreadsheet takes a cell that begins like a formula for one: such cells get an apostrophe in front, and all are quoted. */
const toCsv = (entries: readonly AuditEntryView[], header: boolean): string =>
  stringify(
    entries.map((entry) => ({ ...entry, data: JSON.stringify(entry.data), origin: JSON.stringify(entry.origin) })),
    { header, columns: [...COLUMNS], escape_formulas: true, quoted: true, record_delimiter: 'windows' },
  );

/**
 * A download that holds one page in memory: the next is read when the receiver has taken the one before. Ends with an error
 * (and so with a broken connection, never with a file that looks whole) when `signal` says so.
 */
export async function exportStream(
  pages: AsyncGenerator<readonly AuditEntryView[]>,
  format: ExportFormat,
  signal: AbortSignal,
): Promise<Readable> {
  const texts = textsOf(pages, format);
  const first = await texts.next(); // what cannot be read at all is answered with a problem document
  const rest = async function* () {
    if (!first.done) yield first.value;
    yield* texts;
  };
  return addAbortSignal(signal, Readable.from(rest(), { objectMode: false, highWaterMark: 1 }));
}

async function* textsOf(
  pages: AsyncGenerator<readonly AuditEntryView[]>,
  format: ExportFormat,
): AsyncGenerator<string> {
  let header = true;
  for await (const page of pages) {
    yield format === 'csv' ? toCsv(page, header) : toJsonLines(page);
    header = false;
  }
  if (header && format === 'csv') yield toCsv([], true);
}
