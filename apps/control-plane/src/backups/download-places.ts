import { TooManyDownloads } from './backups.errors.js';

/** Archives on their way out of one process: altogether, and of one member. Each costs a connection of the store and a cipher. */
export const MOST_DOWNLOADS = { altogether: 32, ofMember: 2 } as const;

/** Bounds how many archives are taken home at a time. */
export class DownloadPlaces {
  readonly #taken = new Map<string, number>();
  #size = 0;

  /** Throws TooManyDownloads. Call what it returns when the download has ended, however it did; also more than once. */
  take(memberId: string): () => void {
    if (this.#size >= MOST_DOWNLOADS.altogether || this.#of(memberId) >= MOST_DOWNLOADS.ofMember)
      throw new TooManyDownloads();
    this.#count(memberId, 1);
    let held = true;
    return () => {
      if (held) this.#count(memberId, -1);
      held = false;
    };
  }

  #of(memberId: string): number {
    return this.#taken.get(memberId) ?? 0;
  }

  #count(memberId: string, by: 1 | -1): void {
    this.#size += by;
    const count = this.#of(memberId) + by;
    if (count > 0) this.#taken.set(memberId, count);
    else this.#taken.delete(memberId);
  }
}
