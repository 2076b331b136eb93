import type { StoredLine } from './audit-chain.reader.js';

export type FaultKind =
  | 'changed' // its content is not what was written there
  | 'moved' // genuine, but written at another place
  | 'missing' // lines between two others, or the last ones
  | 'repeated' // two lines with one position
  | 'inserted' // behind the head, and never written by us
  | 'head-set-back' // behind the head, and genuine
  | 'head-forged'
  | 'head-missing'
  | 'chain-missing'
  | 'anchor-lost'; // not the chain that the anchor was taken from

export interface ChainFault {
  readonly kind: FaultKind;
  /** The first position that is not as it was written. */
  readonly seq: number;
  readonly entryId: string | null;
  readonly detail: string;
}

const fault = (kind: FaultKind, seq: bigint, detail: string, line?: StoredLine): ChainFault => ({
  kind,
  seq: Number(seq),
  entryId: line?.id ?? null,
  detail,
});

const range = (from: bigint, to: bigint): string => (from === to ? `Line ${from} is` : `Lines ${from} to ${to} are`);

/** What can be wrong with a chain, in words for whoever has to look into it. */
export const FAULTS = {
  changed: (line: StoredLine) =>
    fault('changed', line.seq, `Line ${line.seq} is not what was written there: a field of it was changed.`, line),
  moved: (line: StoredLine, chain: string, seq: bigint) => {
    const place = chain === line.chain ? `line ${seq}` : `line ${seq} of the chain ${chain}`;
    return fault('moved', line.seq, `Line ${line.seq} was written as ${place} and moved here.`, line);
  },
  missing: (from: bigint, to: bigint) => fault('missing', from, `${range(from, to)} missing: removed.`),
  tailMissing: (from: bigint, to: bigint) =>
    fault('missing', from, `${range(from, to)} missing at the end: the head knows of ${to}.`),
  repeated: (line: StoredLine) => fault('repeated', line.seq, `There is a second line ${line.seq}.`, line),
  inserted: (line: StoredLine) =>
    fault(
      'inserted',
      line.seq,
      `Line ${line.seq} lies behind the head and was not written by this installation.`,
      line,
    ),
  headSetBack: (line: StoredLine) =>
    fault('head-set-back', line.seq, `The head was set back to ${line.seq - 1n}: line ${line.seq} is genuine.`, line),
  headForged: (seq: bigint) => fault('head-forged', seq, `The head at ${seq} was not written by this installation.`),
  headMissing: (last: bigint) =>
    fault('head-missing', last, `The head of the chain is gone; the last line is ${last}.`),
  chainMissing: () =>
    fault('chain-missing', 1n, 'The tenant is there, but its chain is gone: every line and the head.'),
  anchorLost: (seq: bigint, last: bigint, line?: StoredLine) =>
    line
      ? fault('anchor-lost', seq, `Line ${seq} is another than when the anchor was taken: history was rewritten.`, line)
      : fault('anchor-lost', last + 1n, `The chain ends at ${last}, the anchor was taken at ${seq}: it was set back.`),
};
