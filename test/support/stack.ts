import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import type { StackFile } from '#libs/contracts';
import { delay } from '#libs/kernel';
import { freshDatabase, type TestDatabase } from '#libs/testing';

const ROOT = resolve(import.meta.dirname, '..', '..');
const MAIN = join(ROOT, 'dist', 'tools', 'stack', 'main.js');
const START_LIMIT_MS = 120_000;
const STOP_LIMIT_MS = 60_000;

/** Names of the real parts that `npm test` provides; undefined where this machine has none. */
export const parts = {
  database: process.env['WIREBOT_TEST_DATABASE_URL'],
  redis: process.env['WIREBOT_TEST_REDIS_URL'],
  docker: process.env['WIREBOT_TEST_DOCKER_SOCKET'],
  image: process.env['WIREBOT_TEST_GATEWAY_IMAGE'],
  chromium: process.env['WIREBOT_TEST_CHROMIUM'],
};

export type DriverName = 'docker' | 'process';

/** The drivers that can be tested here. With CI=true a missing engine is a failure, which the runner reports. */
export const drivers: DriverName[] = parts.docker ? ['process', 'docker'] : ['process'];

export interface StackOptions {
  readonly driver: DriverName;
  readonly env?: Record<string, string>;
  /** Where the stack finds its database instead: something that leads to it. */
  readonly databaseThrough?: { readonly port: number };
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, 'close');
  return port;
}

/** A whole stack of its own: `npm start` with its own data directory, ports and database. */
export class TestStack {
  file!: StackFile;
  #supervisor: ReturnType<typeof spawn> | undefined;
  #output = '';

  private constructor(
    readonly dataDir: string,
    readonly database: TestDatabase,
    private readonly port: number,
    private readonly options: StackOptions,
  ) {}

  static async start(options: StackOptions): Promise<TestStack> {
    const dataDir = await mkdtemp(join(tmpdir(), 'wb-'));
    const database = await freshDatabase({ migrate: false });
    const stack = new TestStack(dataDir, database, await freePort(), options);
    await stack.up();
    return stack;
  }

  /** Starts it (again) and resolves once it says that it is ready. */
  async up(): Promise<void> {
    const started = Date.now();
    this.#output = '';
    const options = {
      command: 'start',
      driver: this.options.driver,
      port: this.port,
      dataDir: this.dataDir,
      yes: true,
      json: false,
      help: false,
      rest: [],
    };
    const child = spawn(process.execPath, [MAIN, JSON.stringify(options)], {
      cwd: ROOT,
      env: this.#environment(),
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.#supervisor = child;
    for (const stream of [child.stdout, child.stderr])
      stream?.on('data', (chunk: Buffer) => (this.#output += chunk.toString()));
    for (;;) {
      const text = await readFile(join(this.dataDir, 'stack.json'), 'utf8').catch(() => undefined);
      if (text) {
        const file = JSON.parse(text) as StackFile;
        if (file.pids['supervisor'] === child.pid || child.exitCode === null) {
          this.file = file;
          return;
        }
      }
      if (child.exitCode !== null) throw new Error(`the stack ended with ${child.exitCode}:\n${this.#output}`);
      if (Date.now() - started > START_LIMIT_MS) throw new Error(`the stack was not ready in time:\n${this.#output}`);
      await delay(50);
    }
  }

  /** Ctrl-C. */
  async down(): Promise<void> {
    await this.#end('SIGTERM', STOP_LIMIT_MS);
  }

  /** kill -9 of one part, by the pid in stack.json. The supervisor starts it again. */
  kill(part: string): void {
    process.kill(this.pid(part), 'SIGKILL');
  }

  pid(part: string): number {
    const pid = this.file.pids[part];
    if (!pid) throw new Error(`stack.json names no ${part}; it has ${Object.keys(this.file.pids).join(', ')}`);
    return pid;
  }

  /** kill -9 of the supervisor and every part: as when the machine loses power, except for the gateways. */
  async killAll(): Promise<void> {
    await this.#end('SIGKILL', 5_000);
    for (const pid of Object.values(this.file.pids)) {
      try {
        process.kill(pid, 'SIGKILL');
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
      }
    }
    await rm(join(this.dataDir, 'stack.json'), { force: true });
  }

  /** stack.json again: pids change when the supervisor restarts a part. */
  async reread(): Promise<StackFile> {
    this.file = JSON.parse(await readFile(join(this.dataDir, 'stack.json'), 'utf8')) as StackFile;
    return this.file;
  }

  async logOf(part: 'control-plane' | 'proxy'): Promise<string> {
    return readFile(join(this.dataDir, 'logs', `${part}.log`), 'utf8');
  }

  /** Stops it and deletes everything it made. */
  async dispose(): Promise<void> {
    await this.down().catch(() => undefined);
    const options = { command: 'reset', dataDir: this.dataDir, yes: true, json: false, help: false, rest: [] };
    const child = spawn(process.execPath, [MAIN, JSON.stringify(options)], {
      cwd: ROOT,
      env: this.#environment(),
      stdio: 'ignore',
    });
    await once(child, 'exit');
    await this.database.drop();
    await rm(this.dataDir, { recursive: true, force: true });
  }

  get output(): string {
    return this.#output;
  }

  async #end(signal: NodeJS.Signals, limit: number): Promise<void> {
    const child = this.#supervisor;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, 'exit');
    child.kill(signal);
    await Promise.race([
      ended,
      delay(limit).then(() => Promise.reject(new Error(`the stack did not stop:\n${this.#output}`))),
    ]);
  }

  #databaseUrl(): string {
    const url = new URL(this.database.url);
    const { databaseThrough } = this.options;
    if (databaseThrough) [url.hostname, url.port] = ['127.0.0.1', String(databaseThrough.port)];
    return url.toString();
  }

  #environment(): NodeJS.ProcessEnv {
    const { docker, image } = parts;
    const onDocker = this.options.driver === 'docker';
    return {
      PATH: process.env['PATH'] ?? '',
      HOME: process.env['HOME'] ?? '',
      LANG: 'C.UTF-8',
      DATABASE_URL: this.#databaseUrl(),
      WIREBOT_REQUESTS_PER_MINUTE: '100000',
      // Tests count gateways: those that nobody asked for are the subject of their own tests.
      WIREBOT_WARM_GATEWAYS: '0',
      ...(onDocker && docker ? { DOCKER_HOST: `unix://${docker}` } : {}),
      ...(onDocker && image ? { WIREBOT_GATEWAY_IMAGE: image } : {}),
      ...this.options.env,
    };
  }
}
