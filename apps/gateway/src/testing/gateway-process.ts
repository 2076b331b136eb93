import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { bundleGateway } from '../../../../tools/build/gateway-bundle.mjs';

/** A gateway's home during a test: it outlives the process, so that a gateway can be killed and started again in it. */
export interface GatewayHome {
  readonly root: string;
  readonly gatewayId: string;
  readonly stateDir: string;
  readonly secretsDir: string;
  readonly controlCredential: string;
}

const folders: string[] = [];

/** What a warm gateway finds: nothing but the credential that it is claimed with. */
export function createWarmHome(gatewayId: string): GatewayHome & { readonly claimCredential: string } {
  const home = createHome(gatewayId);
  const claimCredential = randomBytes(16).toString('hex');
  rmSync(home.secretsDir, { recursive: true });
  mkdirSync(home.secretsDir);
  writeFileSync(join(home.secretsDir, 'claim'), claimCredential);
  return { ...home, claimCredential };
}

/** What the driver does around a claim. */
export function replaceSecrets(home: GatewayHome, agentId: string): void {
  mkdirSync(join(home.secretsDir, 'agents'), { recursive: true });
  giveAgentCredential(home, agentId, 'x');
  writeFileSync(join(home.secretsDir, 'control'), home.controlCredential);
  rmSync(join(home.secretsDir, 'claim'), { force: true });
}

export function createHome(gatewayId: string): GatewayHome {
  const root = mkdtempSync(join(tmpdir(), 'wirebot-gateway-'));
  folders.push(root);
  const home = {
    root,
    gatewayId,
    stateDir: join(root, 'state'),
    secretsDir: join(root, 'secrets'),
    controlCredential: randomBytes(16).toString('hex'),
  };
  mkdirSync(join(home.secretsDir, 'agents'), { recursive: true });
  writeFileSync(join(home.secretsDir, 'control'), `${home.controlCredential}\n`);
  return home;
}

export const giveAgentCredential = (home: GatewayHome, agentId: string, value: string): void =>
  writeFileSync(join(home.secretsDir, 'agents', agentId), value);

let bundle: Promise<string> | undefined;
const buildOnce = (): Promise<string> => {
  const folder = mkdtempSync(join(tmpdir(), 'wirebot-bundle-'));
  folders.push(folder);
  return (bundle ??= bundleGateway(join(folder, 'gateway.mjs')).then((built) => built.outfile));
};

/** A real gateway process, from the bundle as it ships. */
export class GatewayProcess {
  readonly logs: Record<string, unknown>[] = [];
  #port = 0;
  #controlPort = 0;

  private constructor(
    readonly home: GatewayHome,
    readonly child: ChildProcess,
  ) {}

  static async start(home: GatewayHome, environment: Record<string, string> = {}): Promise<GatewayProcess> {
    const child = spawn(process.execPath, ['--max-semi-space-size=1', await buildOnce()], {
      stdio: ['ignore', 'pipe', 'inherit'],
      env: {
        MALLOC_ARENA_MAX: '1',
        WIREBOT_GATEWAY_ID: home.gatewayId,
        WIREBOT_STATE_DIR: home.stateDir,
        WIREBOT_SECRETS_DIR: home.secretsDir,
        WIREBOT_LISTEN_HOST: '127.0.0.1',
        WIREBOT_PORT: '0',
        WIREBOT_CONTROL_PORT: '0',
        ...environment,
      },
    });
    const gateway = new GatewayProcess(home, child);
    await gateway.#listening();
    return gateway;
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  get wsUrl(): string {
    return `ws://127.0.0.1:${this.#port}`;
  }

  get controlUrl(): string {
    return `http://127.0.0.1:${this.#controlPort}/control`;
  }

  /** Calls the control API; JSON bodies are encoded, streams are sent as an archive. */
  control(method: string, path: string, body?: unknown, credential = this.home.controlCredential): Promise<Response> {
    const isArchive = body instanceof ReadableStream || body instanceof Uint8Array;
    return fetch(`${this.controlUrl}${path}`, {
      method,
      headers: {
        authorization: `Bearer ${credential}`,
        ...(body === undefined ? {} : { 'content-type': isArchive ? 'application/x-tar' : 'application/json' }),
      },
      ...(body === undefined ? {} : { body: isArchive ? (body as BodyInit) : JSON.stringify(body), duplex: 'half' }),
    } as RequestInit);
  }

  /** Freezes it, as the pause of a container does; resolves once the kernel has stopped it. */
  async freeze(): Promise<void> {
    this.child.kill('SIGSTOP');
    const state = () => readFileSync(`/proc/${this.child.pid}/stat`, 'utf8').split(') ')[1]![0];
    while (state() !== 'T') await new Promise((resolve) => setTimeout(resolve, 1));
  }

  thaw(): void {
    this.child.kill('SIGCONT');
  }

  /** Ends the process and resolves with its exit code (null after a signal that it did not handle). */
  async end(signal: 'SIGTERM' | 'SIGKILL'): Promise<number | null> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return this.child.exitCode;
    const ended = once(this.child, 'exit');
    this.child.kill(signal);
    return ((await ended) as [number | null])[0];
  }

  async #listening(): Promise<void> {
    const lines = createInterface({ input: this.child.stdout! });
    await new Promise<void>((resolve, reject) => {
      this.child.once('exit', (code) => reject(new GatewayExited(code, this.logs)));
      lines.on('line', (line) => {
        const entry = JSON.parse(line) as Record<string, unknown>;
        this.logs.push(entry);
        if (entry['msg'] !== 'listening') return;
        this.#port = entry['port'] as number;
        this.#controlPort = entry['controlPort'] as number;
        resolve();
      });
    });
  }
}

export class GatewayExited extends Error {
  constructor(
    readonly exitCode: number | null,
    readonly logs: readonly Record<string, unknown>[],
  ) {
    super(`the gateway ended with ${exitCode}: ${String(logs.at(-1)?.['msg'])}`);
  }
}

export function removeHomes(): void {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
  bundle = undefined;
}
