import type { ArchiveManifest } from '#libs/contracts';
import { PassThrough, type Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { constants, createZstdCompress, createZstdDecompress } from 'node:zlib';
import { decryptWith, encryptTo } from './age.js';
import { ArchiveCheck } from './archive-check.js';
import { BackupDamaged, BackupError } from './errors.js';
import { atMost, type Measured, Meter } from './meter.js';
import { inBlocks, inOrder, passing } from './stage.js';
import type { BackupStore } from './store.js';

/** What an agent's folder may unpack to. */
const MOST_UNPACKED = 64 * 1024 ** 3;
/** Memory that a reader has to have: 2^27 bytes, what `zstd -d` allows without being told. */
const WINDOW_LOG = 27;
const BLOCK = 1024 * 1024;

export interface WrittenArchive extends Measured {
  readonly manifest: ArchiveManifest;
}

export interface StoredArchive extends Measured {
  readonly key: string;
  /** Every age identity that may open it; secret. */
  readonly identities: readonly string[];
}

/** An archive on its way out of the store. */
export interface OpenedArchive {
  /** Fails before its end when anything is wrong with the stored object. */
  readonly stream: Readable;
  /** Resolves once all of it was read and found right; rejects with the reason when it was not. */
  readonly whole: Promise<ArchiveManifest>;
}

/** tar (manifest last) -> zstd -> age -> store. What is not as its manifest says, or could never be read back, is not stored. */
export async function writeArchive(
  store: BackupStore,
  key: string,
  tar: Readable,
  recipient: string,
  signal: AbortSignal,
  most = MOST_UNPACKED,
): Promise<WrittenArchive> {
  const check = new ArchiveCheck();
  const meter = new Meter();
  const { ZSTD_c_compressionLevel: level, ZSTD_c_checksumFlag: checksum } = constants;
  const zstd = createZstdCompress({ chunkSize: BLOCK, params: { [level]: 3, [checksum]: 1 } });
  const put = (source: AsyncIterable<Uint8Array>): Promise<void> => store.put(key, source, signal);
  const compressible = inOrder(atMost(most), passing(check), inBlocks(BLOCK));
  const sealed = inOrder(encryptTo(recipient), inBlocks(BLOCK), passing(meter));
  await pipeline(tar, compressible, zstd, sealed, put, { signal });
  return { ...meter.measured, manifest: check.manifest };
}

/** The tar again, compared with what was written and with its manifest. */
export async function openArchive(
  store: BackupStore,
  archive: StoredArchive,
  signal: AbortSignal,
): Promise<OpenedArchive> {
  const stored = await store.get(archive.key, signal);
  const check = new ArchiveCheck();
  const stream = new PassThrough();
  const zstd = createZstdDecompress({ chunkSize: BLOCK, params: { [constants.ZSTD_d_windowLogMax]: WINDOW_LOG } });
  const decrypt = inOrder(passing(new Meter(archive)), decryptWith(archive.identities), inBlocks(BLOCK));
  const flow = pipeline(stored, decrypt, zstd, inOrder(atMost(MOST_UNPACKED), passing(check)), stream, { signal });
  return { stream, whole: quiet(flow.then(() => check.manifest, translate)) };
}

/** The tar as it was compressed (`.tar.zst`), for who takes it home. Fails before its end when the object is damaged. */
export async function openCompressed(
  store: BackupStore,
  archive: StoredArchive,
  signal: AbortSignal,
): Promise<Readable> {
  const stored = await store.get(archive.key, signal);
  const stream = new PassThrough();
  const decrypt = inOrder(passing(new Meter(archive)), decryptWith(archive.identities));
  void quiet(pipeline(stored, decrypt, stream, { signal }));
  // What has passed the pipeline as a whole waits here, and would wait for a reader who is gone.
  const cut = (): void => void stream.destroy();
  signal.addEventListener('abort', cut, { once: true });
  return stream.once('close', () => signal.removeEventListener('abort', cut));
}

/** Reads all of it and uses nothing. Throws BackupDamaged, or what the store says. */
export async function checkArchive(
  store: BackupStore,
  archive: StoredArchive,
  signal: AbortSignal,
): Promise<ArchiveManifest> {
  const { stream, whole } = await openArchive(store, archive, signal);
  stream.resume();
  return whole;
}

/** Whoever reads the stream sees the failure there; nobody has to look at the promise. */
function quiet<T>(promise: Promise<T>): Promise<T> {
  promise.catch(() => undefined);
  return promise;
}

function translate(cause: unknown): never {
  if (cause instanceof BackupError) throw cause;
  const { code = '' } = cause as NodeJS.ErrnoException;
  if (code.startsWith('ZSTD_') || code === 'Z_BUF_ERROR')
    throw new BackupDamaged('it cannot be decompressed', { cause });
  throw cause;
}
