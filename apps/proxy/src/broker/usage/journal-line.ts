import type { UsageRecordReport } from '#libs/contracts';
import { crc32 } from 'node:zlib';

export type JournalEntry =
  | { readonly type: 'begin'; readonly record: UsageRecordReport }
  | { readonly type: 'end'; readonly record: UsageRecordReport };

/** One line: checksum, blank, JSON. */
export function toLine(entry: JournalEntry): string {
  const text = JSON.stringify(entry);
  return `${crc32(text).toString(16).padStart(8, '0')} ${text}\n`;
}

/** The entry of a line; undefined when a crash or a full disk left only a part of it. */
export function fromLine(line: string): JournalEntry | undefined {
  const text = line.slice(9);
  if (line.charAt(8) !== ' ' || crc32(text).toString(16).padStart(8, '0') !== line.slice(0, 8)) return undefined;
  return JSON.parse(text) as JournalEntry;
}

/** A call that a crash left open, as it is counted: all that was set aside for it. */
export const cutOff = (record: UsageRecordReport): UsageRecordReport => ({
  ...record,
  outcome: 'cut-off',
  estimated: true,
});
