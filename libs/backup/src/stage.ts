export type Bytes = AsyncIterable<Uint8Array>;

/** A part of a pipeline: reads bytes, gives bytes, throws what is wrong. Pull by pull, so nothing piles up. */
export type Stage = (source: Bytes) => AsyncGenerator<Uint8Array>;

/** One stage out of several, the first one reading first. */
export const inOrder =
  (first: Stage, ...others: readonly Stage[]): Stage =>
  (source) =>
    others.reduce((flow, stage) => stage(flow), first(source));

/** What looks at bytes as they pass, as a stage. */
export const passing =
  (observer: { pass(source: Bytes): AsyncGenerator<Uint8Array> }): Stage =>
  (source) =>
    observer.pass(source);

/** The same bytes in larger blocks: compressing and writing cost a hand-over to another thread for each. */
export const inBlocks = (size: number): Stage =>
  async function* gathering(source) {
    let waiting: Uint8Array[] = [];
    let length = 0;
    for await (const chunk of source) {
      waiting.push(chunk);
      length += chunk.length;
      if (length < size) continue;
      yield Buffer.concat(waiting);
      waiting = [];
      length = 0;
    }
    if (length > 0) yield Buffer.concat(waiting);
  };
