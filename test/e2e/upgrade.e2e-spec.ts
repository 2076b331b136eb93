import { copyFile, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import Docker from 'dockerode';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { delay } from '#libs/kernel';
import { ensureGatewayImage } from '../../tools/docker/gateway-image.js';
import { Api } from '../support/api.js';
import { chat, ChatSocket, session } from '../support/chat.js';
import { runningGateways } from '../support/gateways.js';
import { type Model, startModel } from '../support/model.js';
import { operatorKey } from '../support/other-tenant.js';
import { type DriverName, drivers, parts, TestStack } from '../support/stack.js';

const BUNDLE = resolve(import.meta.dirname, '../../dist/gateway/gateway.mjs');

interface Rollout {
  readonly id: string;
  readonly image: string;
  readonly status: string;
  readonly reason: string | null;
  readonly progress: { readonly succeeded: number; readonly running: number; readonly failed: number };
}

/** Two images that are really different: of the same bundle with another line in it, and one that ends at once. */
class Images {
  private constructor(
    readonly next: string,
    readonly broken: string,
    private readonly folder: string,
    private readonly onDocker: boolean,
  ) {}

  static async make(driver: DriverName): Promise<Images> {
    const folder = await mkdtemp(join(tmpdir(), 'wb-next-'));
    const bundle = await readFile(BUNDLE, 'utf8');
    const made: string[] = [];
    for (const [name, text] of Object.entries({
      next: `${bundle}\n// the next version\n`,
      broken: 'process.exit(7);\n',
    })) {
      const bundleDir = await mkdtemp(join(folder, `${name}-`));
      await writeFile(join(bundleDir, 'gateway.mjs'), text);
      if (driver === 'process') {
        made.push(join(bundleDir, 'gateway.mjs'));
        continue;
      }
      const options = { socketPath: parts.docker!, bundleDir, skipPull: true, onSay: () => undefined };
      made.push(
        name === 'next' ? await ensureGatewayImage(options) : await Images.#broken(await ensured(options, bundleDir)),
      );
    }
    return new Images(made[0]!, made[1]!, folder, driver === 'docker');
  }

  /** The same image with a command that ends: a bundle that cannot be primed is not built in the first place. */
  static async #broken(image: string): Promise<string> {
    const docker = new Docker({ socketPath: parts.docker! });
    const container = await docker.createContainer({ Image: image });
    // Its label must not say that it is an image of that bundle: whoever looks for one would find it.
    const changes = ['ENTRYPOINT ["node", "-e", "process.exit(7)"]', 'CMD []', 'LABEL wirebot.content=broken'];
    const { Id } = (await container.commit({ changes: changes.join('\n') })) as { Id: string };
    await container.remove();
    return Id;
  }

  async dispose(): Promise<void> {
    if (this.onDocker) {
      const docker = new Docker({ socketPath: parts.docker! });
      for (const id of [this.broken, this.next]) await docker.getImage(id).remove({ force: true });
    }
    await rm(this.folder, { recursive: true, force: true });
  }
}

/** A broken bundle is replaced by the good one before an image is made of it. */
async function ensured(options: Parameters<typeof ensureGatewayImage>[0], bundleDir: string): Promise<string> {
  await copyFile(BUNDLE, join(bundleDir, 'gateway.mjs'));
  return ensureGatewayImage(options);
}

describe.each(drivers)('an image that is rolled out on the %s driver', (driver) => {
  let model: Model;
  let stack: TestStack;
  let api: Api;
  let operator: Api;
  let images: Images;

  beforeAll(async () => {
    [model, images] = await Promise.all([startModel(), Images.make(driver)]);
    stack = await TestStack.start({ driver, env: model.env });
    api = new Api(stack.file);
    operator = await operatorKey(stack.file, ['*'], stack.file.tenant.id);
    await Promise.all(['ann', 'bob'].map((name) => api.provisioned(name, 'sovereign')));
    await api.provisioned('cat', 'freewire');
  }, 300_000);

  afterAll(async () => {
    await stack.dispose();
    await images.dispose();
    await model.api.close();
  }, 120_000);

  const begin = async (image: string, more: object = {}): Promise<Rollout> => {
    const policy = { canary: 0.3, batch: 1, soakSeconds: 0, maxFailures: 1, ...more };
    const answer = await operator.call<Rollout>('POST', '/v1/admin/rollouts', { image, policy });
    expect(answer.status).toBe(201);
    return answer.body;
  };
  const until = async (id: string, holds: (rollout: Rollout) => boolean): Promise<Rollout> => {
    const end = Date.now() + 120_000;
    for (;;) {
      const answer = await operator.call<Rollout>('GET', `/v1/admin/rollouts/${id}`).catch(() => undefined);
      if (answer?.status === 200 && holds(answer.body)) return answer.body;
      if (Date.now() > end) throw new Error(`it did not happen: ${JSON.stringify(answer?.body)}`);
      await delay(100);
    }
  };
  const imagesNow = async (): Promise<string[]> =>
    (
      await stack.database.query<{ image: string }>(
        "SELECT DISTINCT image FROM gateways WHERE phase <> 'deleted' AND pool IS NULL",
      )
    ).map(({ image }) => image);
  const exactlyTheRows = async (): Promise<void> => {
    const rows = await stack.database.query<{ id: string }>(
      "SELECT id FROM gateways WHERE phase <> 'deleted' AND pool IS NULL",
    );
    const end = Date.now() + 20_000;
    while ((await runningGateways(stack)).length !== rows.length && Date.now() < end) await delay(100);
    expect((await runningGateways(stack)).toSorted()).toEqual(rows.map(({ id }) => id).toSorted());
  };

  it('is on no gateway when it does not run: the first one’s copy shows it, and members notice nothing', async () => {
    const token = await api.token('ann');
    const said = await chat(token, 'before');
    const before = await imagesNow();
    const { id } = await begin(images.broken);
    const paused = await until(id, ({ status }) => status === 'paused');
    expect(paused.progress).toMatchObject({ failed: 1, succeeded: 0, running: 0 });
    expect(paused.reason).toContain('gateway-exited');
    expect(await imagesNow()).toEqual(before);
    expect((await chat(token, 'after', { session: said.session })).session).toBe(said.session);
    await operator.call('POST', `/v1/admin/rollouts/${id}/abort`, {});
    await until(id, ({ status }) => status === 'aborted');
    await exactlyTheRows();
  });

  it('is on every gateway in the end though the control plane is killed meanwhile; each message is answered once', async () => {
    const token = await api.token('ann');
    const first = await chat(token, 'number 0');
    const socket = await ChatSocket.open(token);
    socket.message('a long story', { session: first.session });
    await socket.until('done');
    const { id } = await begin(images.next);
    await until(id, ({ progress }) => progress.running > 0);
    await stack.reread();
    stack.kill('control-plane');
    for (let number = 1; number <= 20; number += 1) await chat(token, `number ${number}`, { session: first.session });
    const ended = await until(id, ({ status }) => status === 'succeeded' || status === 'paused');
    expect(ended).toMatchObject({ status: 'succeeded', image: images.next, progress: { succeeded: 3, failed: 0 } });
    expect(await imagesNow()).toEqual([images.next]);
    const texts = (await session(token, first.session)).messages.map(({ text }) => text);
    for (let number = 0; number <= 20; number += 1)
      expect(texts.filter((text) => text === `number ${number}`)).toHaveLength(1);
    expect(texts).toHaveLength(44);
    socket.close();
    await exactlyTheRows();
    await api.provisioned('dan', 'sovereign');
    expect(await imagesNow()).toEqual([images.next]);
  });
});
