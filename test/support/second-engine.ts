import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Docker from 'dockerode';
import { randomInstance } from '#libs/testing';
import { type OwnEngine, startEngine, stopEngine } from '../../tools/docker/engine.js';

/** Whether this machine can run a second engine. */
export const canRunEngines =
  process.getuid?.() === 0 && ['/usr/sbin/dockerd', '/usr/bin/dockerd'].some((path) => existsSync(path));

/** Another engine on this machine, with its own socket and data: another host as far as Wirebot is concerned. */
export class SecondEngine {
  readonly docker: Docker;

  private constructor(
    readonly socketPath: string,
    readonly pid: number,
    private readonly own: OwnEngine,
    private readonly folder: string,
  ) {
    this.docker = new Docker({ socketPath });
  }

  static async start(): Promise<SecondEngine> {
    const folder = await mkdtemp(join(tmpdir(), 'wb-far-'));
    const instance = randomInstance();
    const own: OwnEngine = {
      instance,
      dataDir: join(folder, 'data'),
      runDir: `/run/wb-${instance}`,
      onSay: () => undefined,
    };
    const { socketPath, pid } = await startEngine(own);
    return new SecondEngine(socketPath, pid, own, folder);
  }

  /** Where its gateways keep what they have; the secrets are in memory. */
  get folders(): { stateRoot: string; secretsRoot: string } {
    return { stateRoot: join(this.folder, 'state'), secretsRoot: `/dev/shm/wb-${this.own.instance}/secrets` };
  }

  /** The same image, with the same id: an id names what an image holds. */
  async take(image: string, from: string): Promise<void> {
    const stream = await new Docker({ socketPath: from }).getImage(image).get();
    const progress = await this.docker.loadImage(stream);
    await new Promise<void>((resolve, reject) =>
      this.docker.modem.followProgress(progress, (error) => (error ? reject(error) : resolve())),
    );
  }

  /** Gateways that run there. */
  async gateways(): Promise<string[]> {
    const containers = await this.docker.listContainers();
    return containers.flatMap(({ Labels }) => Labels['wirebot.gateway'] ?? []);
  }

  /** It exists and answers nothing, until `go`. */
  freeze(): void {
    process.kill(this.pid, 'SIGSTOP');
  }

  /** Also when it does not exist any more. */
  go(): void {
    try {
      process.kill(this.pid, 'SIGCONT');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
    }
  }

  /** As when the machine burns: every container and the engine at once, without a word. */
  async burn(): Promise<void> {
    const containers = await this.docker.listContainers();
    const pids = await Promise.all(
      containers.map(async ({ Id }) => (await this.docker.getContainer(Id).inspect()).State.Pid),
    );
    const containerd = Number(await readFile(join(this.own.runDir!, 'exec', 'containerd', 'containerd.pid'), 'utf8'));
    const shims = await Promise.all(pids.map(parentOf));
    for (const pid of [this.pid, containerd, ...shims, ...pids]) process.kill(pid, 'SIGKILL');
    await rm(this.socketPath, { force: true });
  }

  async dispose(): Promise<void> {
    await stopEngine(this.own);
    await rm(this.folder, { recursive: true, force: true });
    for (const parent of ['/run', '/dev/shm'])
      await rm(`${parent}/wb-${this.own.instance}`, { recursive: true, force: true });
  }
}

/** What holds a container for its engine. */
const parentOf = async (pid: number): Promise<number> =>
  Number(/^PPid:\s+(\d+)$/m.exec(await readFile(`/proc/${pid}/status`, 'utf8'))![1]);
