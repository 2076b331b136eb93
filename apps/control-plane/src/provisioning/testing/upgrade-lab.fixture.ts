import { createHash } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import type { ChatAnswer, SessionView, TokenView } from '#libs/contracts';
import { GatewayDriver } from '#libs/drivers/core';
import { delay } from '#libs/kernel';
import { RouteFeedService } from '../../routing/route-feed.service.js';
import { TokensService } from '../../tokens/tokens.service.js';
import type { Condition } from '../conditions.js';
import { ControlPlaneFixture } from './control-plane.fixture.js';

const REAL = resolve(import.meta.dirname, '../../../../../dist/gateway/gateway.mjs');
const LIMIT_MS = 100_000;

/** What comes before the real gateway in an image; `copy`: it is a rehearsal's. */
const KINDS = {
  good: '',
  better: '// another version',
  exits: 'process.exit(3);',
  'exits-in-place': 'if (!copy) process.exit(4);',
  silent: 'await new Promise(() => setInterval(() => undefined, 1_000));',
  'silent-in-place': 'if (!copy) await new Promise(() => setInterval(() => undefined, 1_000));',
  // Its migration fails on what is there.
  faulty: `const { DatabaseSync } = await import('node:sqlite');
    DatabaseSync.prototype.exec = () => { throw new Error('the migration failed'); };`,
  // Its migration destroys what is there, which shows only in its place.
  corrupts: `if (!copy) {
      const fs = await import('node:fs');
      const agents = process.env.WIREBOT_STATE_DIR + '/agents';
      for (const id of fs.readdirSync(agents)) for (const file of fs.readdirSync(agents + '/' + id))
        if (/\\.(sqlite|db)$/.test(file)) fs.writeFileSync(agents + '/' + id + '/' + file, 'not a database any more'.repeat(500));
    }`,
  'ends-soon': 'if (!copy) setTimeout(() => process.exit(5), 700);',
} as const;
export type ImageKind = keyof typeof KINDS;

export interface GatewayNow {
  readonly id: string;
  readonly phase: string;
  readonly image: string;
  readonly target: string | null;
  readonly generation: string;
  readonly rollback: { readonly state: string; readonly snapshot: string } | null;
  readonly conditions: readonly Condition[];
  readonly address: { readonly host: string; readonly port: number };
}

/** A control plane with real gateway processes, and images that behave in certain ways. */
export class UpgradeLab {
  private constructor(
    readonly plane: ControlPlaneFixture,
    readonly folder: string,
  ) {}

  static async start(environment: Record<string, string>): Promise<UpgradeLab> {
    const folder = mkdtempSync(join(tmpdir(), 'wb-images-'));
    for (const [kind, before] of Object.entries(KINDS))
      writeFileSync(
        join(folder, `${kind}.mjs`),
        `const copy = process.env.WIREBOT_GATEWAY_ID.endsWith('-r');\n${before}\nawait import(${JSON.stringify(REAL)});\n`,
      );
    const plane = await ControlPlaneFixture.start({
      WIREBOT_DRIVER: 'process',
      WIREBOT_GATEWAY_IMAGE: join(folder, 'good.mjs'),
      WIREBOT_GATEWAY_START_SECONDS: '3',
      ...environment,
    });
    return new UpgradeLab(plane, folder);
  }

  image(kind: ImageKind): string {
    return join(this.folder, `${kind}.mjs`);
  }

  get driver(): GatewayDriver {
    return this.plane.app.get(GatewayDriver);
  }

  async rows(where = "pool IS NULL AND phase <> 'deleted'"): Promise<GatewayNow[]> {
    return this.plane.database.query<GatewayNow & object>(
      `SELECT id, phase, image, target_image AS target, generation::text, rollback, conditions, address
       FROM gateways WHERE ${where} ORDER BY id`,
    );
  }

  async row(id: string): Promise<GatewayNow> {
    return (await this.rows(`id = '${id}'`))[0]!;
  }

  async gatewayOf(member: string): Promise<string> {
    return (await this.plane.member(member)).gateway!.id;
  }

  /** The call of an operator; an error's code is thrown. */
  async call<T>(
    method: 'GET' | 'POST',
    url: string,
    key: string,
    payload?: object,
  ): Promise<{ status: number; body: T }> {
    const headers = { authorization: `Bearer ${key}` };
    const answer = await this.plane.app.inject({ method, url, headers, ...(payload ? { payload } : {}) });
    return { status: answer.statusCode, body: (answer.payload ? JSON.parse(answer.payload) : undefined) as T };
  }

  async until<T>(what: string, look: () => Promise<T | undefined | false>, limitMs = LIMIT_MS): Promise<T> {
    const end = Date.now() + limitMs;
    for (;;) {
      const found = await look();
      if (found) return found;
      if (Date.now() > end) throw new Error(`not in time: ${what}; ${JSON.stringify(await this.rows('true'))}`);
      await delay(25);
    }
  }

  /** Once nothing is under way any more. */
  settled(id: string): Promise<GatewayNow> {
    return this.until(`${id} settles`, async () => {
      const now = await this.row(id);
      return now.target === null && now.phase === 'ready' && now;
    });
  }

  upgraded(now: GatewayNow): Condition | undefined {
    return now.conditions.find(({ type }) => type === 'Upgraded');
  }

  routeOf(member: string): Promise<{ state: string; target: { host: string; port: number }; agentId: string }> {
    return this.until(`a route of ${member}`, async () => {
      const { id } = await this.plane.member(member);
      const frame = this.plane.app.get(RouteFeedService).snapshot();
      return frame.type === 'snapshot' && frame.agents.find(({ memberId }) => memberId === id);
    });
  }

  token(member: string): Promise<TokenView> {
    return this.plane.app.get(TokensService).issue(this.plane.tenantId, { member, surface: 'web', ttlSeconds: 900 });
  }

  /** As a proxy does: to where the route leads, once it is live; again with the same key when the connection breaks. */
  async chat(member: string, text: string, more: { session?: string; idempotencyKey: string }): Promise<ChatAnswer> {
    const { token } = await this.token(member);
    return this.until(`an answer to ${text}`, async () => {
      const { state, target, agentId } = await this.routeOf(member);
      if (state !== 'live') return undefined;
      const answer = await fetch(`http://${target.host}:${target.port}/a/${agentId}/chat`, {
        method: 'POST',
        headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
        body: JSON.stringify({ text, ...more }),
        signal: AbortSignal.timeout(20_000),
      }).catch(() => undefined);
      if (answer?.status === 200) return (await answer.json()) as ChatAnswer;
      if (answer && answer.status < 500) throw new Error(`chat answered ${answer.status}: ${await answer.text()}`);
      return undefined;
    });
  }

  async session(member: string, id: string): Promise<SessionView> {
    const { token } = await this.token(member);
    const { target, agentId } = await this.routeOf(member);
    const answer = await fetch(`http://${target.host}:${target.port}/a/${agentId}/session/${id}`, {
      headers: { authorization: `Bearer ${token}` },
    });
    return (await answer.json()) as SessionView;
  }

  /** Every file of the gateway's agents by what is in it. */
  filesOf(id: string): Record<string, string> {
    const root = join(process.env['WIREBOT_DATA_DIR']!, 'gateways', id, 'agents');
    const files = readdirSync(root, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
    const hash = (file: string) => createHash('sha256').update(readFileSync(file)).digest('hex');
    return Object.fromEntries(
      files.map(({ parentPath, name }) => [join(parentPath, name).slice(root.length), hash(join(parentPath, name))]),
    );
  }

  async dispose(): Promise<void> {
    await this.plane.dispose();
    await rm(this.folder, { recursive: true, force: true });
  }
}
