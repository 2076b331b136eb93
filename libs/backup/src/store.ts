import type { Readable } from 'node:stream';
import { BackupStoreRefused } from './errors.js';

export interface StoredObject {
  readonly key: string;
  readonly bytes: number;
  readonly at: Date;
}

/**
 * Where backups lie. A key is a relative path of plain names. Errors are BackupErrors that say whether another try can help.
 * Whole or not at all: what a crash or an abort cut short is not there under its key.
 */
export abstract class BackupStore {
  abstract readonly name: 'local' | 's3';
  /** Replaces what was there. */
  abstract put(key: string, source: AsyncIterable<Uint8Array>, signal: AbortSignal): Promise<void>;
  /** Throws BackupObjectMissing. `range`: from the first to the last byte, both included. */
  abstract get(key: string, signal: AbortSignal, range?: ByteRange): Promise<Readable>;
  /** Undefined: there is none. */
  abstract stat(key: string, signal: AbortSignal): Promise<StoredObject | undefined>;
  /** Also when there is none. */
  abstract delete(key: string, signal: AbortSignal): Promise<void>;
  /** Every object whose key begins so, in no particular order. */
  abstract list(prefix: string, signal: AbortSignal): AsyncIterable<StoredObject>;
  /** Removes what uploads that never ended have left, when they began before `before`. Returns how many. */
  abstract discardPartial(before: Date, signal: AbortSignal): Promise<number>;
  abstract close(): void;
}

export interface ByteRange {
  readonly first: number;
  readonly last: number;
}

const KEY = /^[A-Za-z0-9][\w.-]*(?:\/[A-Za-z0-9][\w.-]*)*$/;
const MOST_KEY = 512;

/** Throws for a key that is not a relative path of plain names: it could lead out of the store. */
export function assertKey(store: string, key: string): void {
  if (key.length > MOST_KEY || !KEY.test(key)) throw new BackupStoreRefused(store, 'a key that is not a plain path');
}
