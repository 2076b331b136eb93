/**
 * A place in the outbox: transaction first, then sequence. Sequence numbers alone do not do: a transaction that takes
 * number 5 may commit after one that took 6. Transaction ids below the oldest running one are final, so this order has
 * no late comers.
 */
export interface EventCursor {
  readonly txid: bigint;
  readonly seq: bigint;
}

export const formatCursor = (cursor: EventCursor): string => `${cursor.txid}.${cursor.seq}`;

/** Undefined for anything that `formatCursor` did not make. */
export function parseCursor(text: string): EventCursor | undefined {
  const [, txid, seq] = /^(\d{1,18})\.(\d{1,18})$/.exec(text) ?? [];
  return txid !== undefined && seq !== undefined ? { txid: BigInt(txid), seq: BigInt(seq) } : undefined;
}
