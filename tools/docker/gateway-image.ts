import { existsSync } from 'node:fs';
import { readdir, readFile, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import Docker from 'dockerode';
import type { Say } from './say.js';
import { type ContextFile, hashOf, hashOfFiles, tarOf } from './image-context.js';
import { findImage, untilDone } from './image-engine.js';
import { ensureNodeBaseImage } from './node-base-image.js';

export interface GatewayImageOptions {
  readonly socketPath: string;
  /** Holds gateway.mjs and whatever it loads at run time; source maps stay outside the image. */
  readonly bundleDir: string;
  /** Folder of gateway.Dockerfile and prime.mjs; this repository's when it is missing. */
  readonly dockerDir?: string;
  /** A base image to use as it is; without it the registry's, else one made here. */
  readonly nodeImage?: string;
  /** Do not ask a registry: use what is on the machine. */
  readonly skipPull?: boolean;
  readonly onSay: Say;
}

const REGISTRY_IMAGE = 'node:24-slim';
const TAG = 'wirebot/gateway';
/** Milliseconds: a registry that is not reachable must not hold up a start; one that is may take its time. */
const PULL_FIRST_ANSWER = 5_000;
const PULL_SILENCE = 30_000;
const BUILD_TIMEOUT = 300_000;

/** Id (`sha256:…`) of the gateway image of this bundle; builds it unless one with the same content is there. */
export async function ensureGatewayImage(options: GatewayImageOptions): Promise<string> {
  const docker = new Docker({ socketPath: options.socketPath });
  const base = await baseImage(docker, options);
  const files = await contextFiles(options.bundleDir, options.dockerDir ?? dockerfileFolder());
  const content = hashOf([base.id, hashOfFiles(files)]);
  const present = await findByContent(docker, content);
  if (present) return present;
  options.onSay(`building the gateway image on ${base.reference}`);
  return build(docker, options, files, { base: base.reference, content });
}

interface BuildArguments {
  readonly base: string;
  readonly content: string;
}

async function build(
  docker: Docker,
  options: GatewayImageOptions,
  files: ContextFile[],
  args: BuildArguments,
): Promise<string> {
  const tag = `${TAG}:${args.content.slice(0, 12)}`;
  const output: string[] = [];
  try {
    const stream = await docker.buildImage(tarOf(files), {
      dockerfile: 'gateway.Dockerfile',
      t: tag,
      buildargs: { NODE_IMAGE: args.base, CONTENT: args.content },
      // Priming needs the loopback only; an engine without a default bridge has nothing else.
      networkmode: 'none',
      forcerm: true,
      abortSignal: AbortSignal.timeout(BUILD_TIMEOUT),
    });
    await untilDone(stream, (line) => {
      output.push(line);
      if (line.startsWith('compile cache:')) options.onSay(line);
    });
  } catch (error) {
    throw new Error(
      `The gateway image could not be built: ${(error as Error).message}\n${output.slice(-10).join('\n')}`,
      { cause: error },
    );
  }
  // The stage that made the compile cache has done its work.
  await docker.pruneImages({
    filters: JSON.stringify({ dangling: ['true'], label: ['wirebot.image=gateway-primed'] }),
  });
  const image = await findImage(docker, tag);
  if (!image) throw new Error(`The engine built ${tag} but does not list it.`);
  return image.Id;
}

async function findByContent(docker: Docker, content: string): Promise<string | undefined> {
  const images = await docker.listImages({
    filters: JSON.stringify({ label: ['wirebot.image=gateway', `wirebot.content=${content}`] }),
  });
  return images[0]?.Id;
}

async function baseImage(docker: Docker, options: GatewayImageOptions): Promise<{ id: string; reference: string }> {
  const reference =
    options.nodeImage ??
    ((await registryImage(docker, options)) ? REGISTRY_IMAGE : await ensureNodeBaseImage(docker, options.onSay));
  const image = await findImage(docker, reference);
  if (!image) throw new Error(`The base image ${reference} is not on this engine; pull or load it first.`);
  return { id: image.Id, reference };
}

async function registryImage(docker: Docker, options: GatewayImageOptions): Promise<boolean> {
  if (await findImage(docker, REGISTRY_IMAGE)) return true;
  if (options.skipPull) return false;
  const silence = new AbortController();
  let timer = setTimeout(() => silence.abort(), PULL_FIRST_ANSWER);
  const extend = () => {
    clearTimeout(timer);
    timer = setTimeout(() => silence.abort(), PULL_SILENCE);
  };
  try {
    options.onSay(`asking the registry for ${REGISTRY_IMAGE}`);
    await untilDone(await docker.pull(REGISTRY_IMAGE, { abortSignal: silence.signal }), extend);
    return true;
  } catch {
    // Whatever the reason (no network, a private registry, no such tag): the installed Node makes as good a base.
    const reason = silence.signal.aborted ? 'no answer in time' : 'not to be had';
    options.onSay(`no ${REGISTRY_IMAGE} from a registry (${reason}): using the installed Node`);
    return false;
  } finally {
    clearTimeout(timer);
  }
}

/** provisioning/docker, from the source folder as well as from dist. */
function dockerfileFolder(): string {
  let folder = dirname(fileURLToPath(import.meta.url));
  for (;;) {
    const candidate = join(folder, 'provisioning', 'docker');
    if (existsSync(join(candidate, 'gateway.Dockerfile'))) return candidate;
    if (dirname(folder) === folder)
      throw new Error('provisioning/docker/gateway.Dockerfile was not found above this file.');
    folder = dirname(folder);
  }
}

async function contextFiles(bundleDir: string, dockerDir: string): Promise<ContextFile[]> {
  const copy = async (from: string, path: string): Promise<ContextFile> => ({
    path,
    mode: 0o644,
    content: await readFile(from),
  });
  return [
    { path: 'cache/', mode: 0o755, content: null },
    await copy(join(dockerDir, 'gateway.Dockerfile'), 'gateway.Dockerfile'),
    await copy(join(dockerDir, 'prime.mjs'), 'prime.mjs'),
    ...(await bundleFiles(bundleDir, copy)),
  ];
}

async function bundleFiles(
  bundleDir: string,
  copy: (from: string, path: string) => Promise<ContextFile>,
): Promise<ContextFile[]> {
  const entry = await stat(join(bundleDir, 'gateway.mjs')).catch(() => undefined);
  if (!entry) throw new Error('The gateway bundle is not built yet: run npm run build first.');
  const names = (await readdir(bundleDir, { recursive: true })).filter((name) => !name.endsWith('.map')).sort();
  const files = await Promise.all(
    names.map(async (name) => ({ name, file: (await stat(join(bundleDir, name))).isFile() })),
  );
  return Promise.all(files.filter(({ file }) => file).map(({ name }) => copy(join(bundleDir, name), `app/${name}`)));
}
