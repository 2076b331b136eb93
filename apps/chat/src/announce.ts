/**
 * Cuts a growing answer into pieces worth reading aloud: whole sentences or lines while it streams, the rest at the end.
 * A live region that got every token would stutter; one that waited for the end would be silent for a minute.
 */
export class Announcer {
  #spoken = 0;

  /** The text that is new and complete since the last call, without Markdown's signs; empty when there is none. */
  next(text: string, finished: boolean): string {
    const end = finished ? text.length : lastBoundary(text);
    if (end <= this.#spoken) return '';
    const piece = text.slice(this.#spoken, end);
    this.#spoken = end;
    return plain(piece);
  }
}

function lastBoundary(text: string): number {
  const ends = [...text.matchAll(/[.!?…:](?=\s)|\n/g)];
  const last = ends.at(-1);
  return last ? last.index + last[0].length : 0;
}

const plain = (text: string): string =>
  text
    .replace(/```[\w+#.-]*/g, '')
    .replace(/\[([^\]]*)\]\([^)]*\)/g, '$1')
    .replace(/[*_`#>]+/g, '')
    .replace(/\s+/g, ' ')
    .trim();
