import { randomBytes } from 'node:crypto';
import { mkdir, rmdir } from 'node:fs/promises';
import { join } from 'node:path';
import { DriverError } from '#libs/drivers/core';
import type Docker from 'dockerode';
import { callEngine, ENGINE_LIMITS, statusOfFailure } from './engine-call.js';
import type { EngineKind } from './engine-kind.js';

/**
 * Proves that a path is the same folder here and on the engine's machine: a folder with a name nobody can guess is made in
 * it, and the engine is asked whether it is there. Otherwise gateways would run with empty folders of another machine, and
 * their secrets and states would lie where nobody looks.
 */
export async function assertSameFolders(
  docker: Docker,
  engine: EngineKind,
  roots: readonly string[],
  signal: AbortSignal,
): Promise<void> {
  const sees = engine === 'podman' ? podmanSees : dockerSees;
  for (const root of roots) {
    const nonce = `.proof-${randomBytes(16).toString('hex')}`;
    const folder = join(root, nonce);
    // Without this an engine that never looks would pass.
    if (await sees(docker, folder, signal)) throw notTold(root);
    await mkdir(folder, { mode: 0o700 });
    try {
      if (!(await sees(docker, folder, signal))) throw notTheSame(root);
    } finally {
      await rmdir(folder);
    }
  }
}

/**
 * Asks for a container of an image that does not exist with that folder mounted. The engine looks at mounts before it looks
 * for images, so what it complains about is the answer, and nothing is ever made.
 */
async function dockerSees(docker: Docker, folder: string, signal: AbortSignal): Promise<boolean> {
  const Image = `wirebot-proof:${randomBytes(8).toString('hex')}`;
  const HostConfig = { Mounts: [{ Type: 'bind' as const, Source: folder, Target: '/proof', ReadOnly: true }] };
  try {
    await callEngine(signal, ENGINE_LIMITS.read, (abortSignal) =>
      docker.createContainer({ Image, HostConfig, abortSignal }),
    );
  } catch (error) {
    if (statusOfFailure(error) === 404) return true;
    if (statusOfFailure(error) === 400 && /bind source path does not exist/i.test((error as Error).message))
      return false;
    throw error;
  }
  throw new DriverError('engine-refused', `The engine has an image named ${Image}, which is nobody's.`, false);
}

/** Podman looks for images first. A volume that names a folder is refused when the folder is not there, and mounts nothing. */
async function podmanSees(docker: Docker, folder: string, signal: AbortSignal): Promise<boolean> {
  const Name = `wirebot-proof-${randomBytes(8).toString('hex')}`;
  const DriverOpts = { type: 'bind', o: 'bind', device: folder };
  try {
    await callEngine(signal, ENGINE_LIMITS.read, (abortSignal) =>
      docker.createVolume({ Name, Driver: 'local', DriverOpts, abortSignal }),
    );
  } catch (error) {
    if (statusOfFailure(error) === 500 && /no such file or directory/i.test((error as Error).message)) return false;
    throw error;
  }
  await callEngine(signal, ENGINE_LIMITS.read, (abortSignal) => docker.getVolume(Name).remove({ abortSignal }));
  return true;
}

const notTold = (root: string): DriverError =>
  new DriverError(
    'engine-refused',
    `The engine does not tell whether it sees ${root}. Use Docker's engine or Podman.`,
    false,
  );

const notTheSame = (root: string): DriverError =>
  new DriverError(
    'engine-refused',
    `${root} is not the same folder here and on the engine's machine. Mount it at the same path on both, or use an engine on this machine.`,
    false,
  );
