// How fast an agent's folder goes into a backup and comes out of it, against plain tar and zstd on the same folder.
// Usage: node test/bench/run.mjs backup [--runs 5] [--megabytes 256]
import { execFile } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { promisify } from 'node:util';
import { pack } from 'tar-stream';
import { option } from './support/arguments.mjs';
import { withCleanup } from './support/cleanup.mjs';
import { begin, median, printStatistics } from './support/report.mjs';

const { createAgeKeyPair, checkArchive, openLocalStore, writeArchive } =
  await import('../../dist/libs/backup/src/index.js');

const RUNS = Number(option('runs', 5));
const MEGABYTES = Number(option('megabytes', 256));
const MB = 1024 * 1024;
const never = new AbortController().signal;
const run = promisify(execFile);

/** Half of it compresses as conversations do, half not at all, as pictures. */
async function makeFolder(folder) {
  await mkdir(folder);
  const words = Array.from({ length: 4_000 }, () => randomBytes(4).toString('base64url'));
  const text = () => Array.from({ length: 130_000 }, () => words[Math.trunc(Math.random() * words.length)]).join(' ');
  for (let at = 0; at < MEGABYTES / 8; at += 1) {
    await writeFile(
      join(folder, `text-${at}`),
      Array.from({ length: 5 }, text)
        .join('\n')
        .slice(0, 4 * MB),
    );
    await writeFile(join(folder, `picture-${at}`), randomBytes(4 * MB));
  }
}

/** As a gateway gives it: files, the manifest last. */
function archive(folder, names) {
  const tar = pack();
  const write = async () => {
    const files = [];
    for (const path of names) {
      const { size } = await stat(join(folder, path));
      const hash = createHash('sha256');
      const source = createReadStream(join(folder, path)).on('data', (chunk) => hash.update(chunk));
      await pipeline(source, tar.entry({ name: path, size }));
      files.push({ path, size, sha256: hash.digest('hex') });
    }
    tar.entry({ name: 'manifest.json' }, JSON.stringify({ agentId: 'agt', createdAt: '', files }));
    tar.finalize();
  };
  write().catch((error) => tar.destroy(error));
  return Readable.from(tar);
}

await withCleanup(async (defer) => {
  const root = await mkdtemp(join(tmpdir(), 'wirebot-bench-backup-'));
  defer(() => rm(root, { recursive: true, force: true }));
  const folder = join(root, 'agent');
  await makeFolder(folder);
  const names = await readdir(folder);
  const store = openLocalStore(join(root, 'store'), 0);
  const keys = await createAgeKeyPair();
  const plain = join(root, 'plain.tar.zst');
  let stored;

  const lanes = {
    'floor: tar | zstd -3 -T1, synced': () =>
      run('sh', ['-c', `tar cf - -C ${folder} . | zstd -q -3 -T1 -f -o ${plain} && sync ${plain}`]),
    'backup: tar, compare, zstd, age, SHA-256, store': async () => {
      const { bytes, sha256 } = await writeArchive(store, 'agent', archive(folder, names), keys.recipient, never);
      stored = { key: 'agent', bytes, sha256, identities: [keys.identity] };
    },
    'floor: zstd -d | tar t': () => run('sh', ['-c', `zstd -q -dc ${plain} | tar tf - > /dev/null`]),
    'verify: SHA-256, age, zstd, every file': () => checkArchive(store, stored, never),
  };
  const samples = Object.fromEntries(Object.keys(lanes).map((name) => [name, []]));
  const report = begin(`Backups (${MEGABYTES} MB folder, half of it compressible, local folder as the store)`);
  let most = 0;
  const watch = setInterval(() => (most = Math.max(most, process.memoryUsage().rss)), 20);
  for (let round = 0; round <= RUNS; round += 1) {
    for (const [name, measure] of Object.entries(lanes)) {
      const began = performance.now();
      await measure();
      // The first round warms caches and code; nobody's figures.
      if (round > 0) samples[name].push(MEGABYTES / ((performance.now() - began) / 1_000));
    }
  }
  clearInterval(watch);
  report();
  printStatistics('MB/s of the folder', Object.entries(samples));
  const [tar, write, untar, check] = Object.values(samples).map(median);
  console.log(`\nbackup / floor: ${(write / tar).toFixed(2)}, verify / floor: ${(check / untar).toFixed(2)}`);
  console.log(`largest resident set meanwhile: ${(most / MB).toFixed(0)} MB`);
});
