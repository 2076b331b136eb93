import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { promisify } from 'node:util';
import type Docker from 'dockerode';
import type { Say } from './say.js';
import { findImage, untilDone } from './image-engine.js';
import { type ContextFile, hashOfFiles, tarOf } from './image-context.js';

const run = promisify(execFile);
const REPOSITORY = 'wirebot/node-base';
const CONTENT_LABEL = 'wirebot.content';
const IMPORT_TIMEOUT = 120_000;

/** Debian's path; present where the host has the package. A gateway on its own network needs none, one that runs alone does. */
const CA_CERTIFICATES = '/etc/ssl/certs/ca-certificates.crt';
const PASSWD =
  'root:x:0:0:root:/root:/sbin/nologin\nnobody:x:65534:65534:nobody:/nonexistent:/sbin/nologin\nwirebot:x:10001:10001:wirebot:/state:/sbin/nologin\n';
const GROUP = 'root:x:0:\nnogroup:x:65534:\nwirebot:x:10001:\n';

/**
 * A base image without a registry: the Node binary that npm installed, exactly the shared libraries it names, and the few
 * files a C library looks for. No shell, no package manager. Returns its reference.
 */
export async function ensureNodeBaseImage(docker: Docker, onSay: Say): Promise<string> {
  const { binary, version } = await nodeFromNpm();
  const reference = `${REPOSITORY}:${version}`;
  const files = await baseFiles(binary);
  const content = hashOfFiles(files);
  if ((await findImage(docker, reference))?.Config.Labels?.[CONTENT_LABEL] === content) return reference;
  onSay(`making the base image ${reference} from the installed Node`);
  const stream = await docker.importImage(tarOf(files), {
    // With its tag: Podman takes no notice of a tag beside it.
    repo: reference,
    changes: [
      `LABEL ${CONTENT_LABEL}=${content}`,
      'ENV PATH=/usr/local/bin',
      `ENV NODE_VERSION=${version}`,
      'CMD ["node"]',
    ],
    abortSignal: AbortSignal.timeout(IMPORT_TIMEOUT),
  });
  await untilDone(stream, () => undefined);
  return reference;
}

async function nodeFromNpm(): Promise<{ binary: string; version: string }> {
  const name = `node-linux-${process.arch}`;
  try {
    const manifest = createRequire(import.meta.url).resolve(`${name}/package.json`);
    const { version } = JSON.parse(await readFile(manifest, 'utf8')) as { version: string };
    return { binary: manifest.replace(/package\.json$/, 'bin/node'), version };
  } catch (error) {
    throw new Error(`The package ${name} is not installed; run npm ci, or name an image with NODE_IMAGE.`, {
      cause: error,
    });
  }
}

async function baseFiles(binary: string): Promise<ContextFile[]> {
  const text = (path: string, content: string): ContextFile => ({ path, mode: 0o644, content: Buffer.from(content) });
  const folder = (path: string, mode = 0o755): ContextFile => ({ path, mode, content: null });
  const libraries = await Promise.all((await sharedLibraries(binary)).map(async (path) => fileFromHost(path, 0o755)));
  const certificates = await readFile(CA_CERTIFICATES).catch(() => undefined);
  return [
    folder('tmp/', 0o1777),
    folder('state/', 0o700),
    folder('run/secrets/wirebot/', 0o700),
    text('etc/passwd', PASSWD),
    text('etc/group', GROUP),
    text('etc/nsswitch.conf', 'hosts: files dns\n'),
    { path: 'usr/local/bin/node', mode: 0o755, content: await readFile(binary) },
    ...libraries,
    ...(certificates ? [{ path: CA_CERTIFICATES.slice(1), mode: 0o644, content: certificates }] : []),
  ];
}

/** The paths as the loader asks for them; a link on the host becomes the file itself. */
const fileFromHost = async (path: string, mode: number): Promise<ContextFile> => ({
  path: path.slice(1),
  mode,
  content: await readFile(path),
});

async function sharedLibraries(binary: string): Promise<string[]> {
  const { stdout } = await run('ldd', [binary], { timeout: 10_000 });
  if (stdout.includes('not found')) throw new Error(`Libraries of ${binary} are missing on this machine:\n${stdout}`);
  return [...stdout.matchAll(/(?:=> )?(\/\S+) \(0x/g)].map((match) => match[1]!).sort();
}
