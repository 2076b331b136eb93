import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { Database, takeLeadership } from '#libs/database';
import { ApiKeysService } from '../identity/api-keys.service.js';
import { UpgradeLab } from '../provisioning/testing/upgrade-lab.fixture.js';
import type { RolloutTargetView, RolloutView } from './rollout-view.js';
import { RolloutLeader } from './rollout-leader.js';

const MEMBERS = ['ann', 'bob', 'cat', 'dan', 'eve', 'fay', 'gus', 'hal', 'ivy', 'joe'];
/** Quick, and careful all the same. */
const POLICY = {
  soakSeconds: 0,
  verifySeconds: 0,
  maxUnavailable: 3,
  maxPerHost: 9,
  maxPerTenant: 9,
  batch: 1,
  canary: 0.1,
};

interface Problem {
  readonly code: string;
}

describe('rollouts over ten real gateways', () => {
  let lab: UpgradeLab;
  let key: string;

  beforeAll(async () => {
    lab = await UpgradeLab.start({ WIREBOT_GATEWAY_PORTS: '19500-19599' });
    key = (await lab.plane.app.get(ApiKeysService).issue({ tenantId: null, name: 'ops', scopes: ['*'] })).key;
    await Promise.all(MEMBERS.map((name) => lab.plane.put(name, 'sovereign')));
  });
  afterAll(() => lab.dispose());
  afterEach(async () => {
    for (const { id, finishedAt } of (await get<{ items: RolloutView[] }>('/v1/admin/rollouts')).items)
      if (!finishedAt) await post(`/v1/admin/rollouts/${id}/abort`, {});
    await lab.until('nothing is under way', async () => (await lab.rows('target_image IS NOT NULL')).length === 0);
  });

  const get = async <T>(url: string): Promise<T> => (await lab.call<T>('GET', url, key)).body;
  const post = <T = RolloutView>(url: string, body: object) => lab.call<T>('POST', url, key, body);
  const begin = async (image: string, policy: object = {}): Promise<RolloutView> => {
    const answer = await post('/v1/admin/rollouts', { image, policy: { ...POLICY, ...policy } });
    expect(answer.status).toBe(201);
    return answer.body;
  };
  const view = (id: string): Promise<RolloutView> => get(`/v1/admin/rollouts/${id}`);
  const targets = async (id: string): Promise<RolloutTargetView[]> =>
    (await get<{ items: RolloutTargetView[] }>(`/v1/admin/rollouts/${id}/targets`)).items;
  const becomes = (id: string, ...statuses: string[]): Promise<RolloutView> =>
    lab.until(`${id} is ${statuses.join(' or ')}`, async () => {
      const now = await view(id);
      return statuses.includes(now.status) && now;
    });
  const imagesOf = async (): Promise<string[]> => (await lab.rows()).map(({ image }) => image);

  it('has noted the image of the first start, and begun nothing', async () => {
    const { items } = await lab.until('the note', async () => {
      const page = await get<{ items: RolloutView[] }>('/v1/admin/rollouts');
      return page.items.length > 0 && page;
    });
    expect(items).toMatchObject([
      { actor: 'system:configuration', status: 'succeeded', image: lab.image('good'), progress: { total: 0 } },
    ]);
  });

  it('stops at the breaker with a broken image: one gateway was tried, and none was changed', async () => {
    const { id } = await begin(lab.image('exits'), { maxFailures: 1 });
    const paused = await becomes(id, 'paused');
    expect(paused.reason).toContain('gateway-exited');
    expect(paused.progress).toMatchObject({ failed: 1, pending: 9, running: 0, succeeded: 0 });
    expect(new Set(await imagesOf())).toEqual(new Set([lab.image('good')]));
    expect(
      await lab.plane.database.query(
        `SELECT 1 FROM audit_entries WHERE action = 'rollout.pause' AND resource_id = $1`,
        [id],
      ),
    ).toHaveLength(1);
    expect((await post<Problem>(`/v1/admin/rollouts/${id}/pause`, {})).status).toBe(200);
    await post(`/v1/admin/rollouts/${id}/abort`, {});
    expect(await becomes(id, 'aborted')).toMatchObject({ progress: { failed: 1, skipped: 9 } });
    expect((await post<Problem>(`/v1/admin/rollouts/${id}/resume`, {})).body).toMatchObject({
      code: 'rollout-not-active',
    });
  });

  it('brings the image to all, canaries first, never more at once than it may, and tells how far it is', async () => {
    let [most, early] = [0, 0];
    const { id } = await begin(lab.image('better'));
    const ended = await lab.until(
      'it ends',
      async () => {
        const now = await view(id);
        most = Math.max(most, now.progress.running);
        early = Math.max(early, now.canariesPassedAt ? 0 : now.progress.running + now.progress.succeeded);
        return now.finishedAt !== null && now;
      },
      120_000,
    );
    expect(ended).toMatchObject({ status: 'succeeded', reason: null, progress: { total: 10, succeeded: 10 } });
    expect(early).toBeLessThanOrEqual(1);
    expect(most).toBeGreaterThan(0);
    expect(most).toBeLessThanOrEqual(3);
    expect(new Set(await imagesOf())).toEqual(new Set([lab.image('better')]));
    const events = await lab.plane.database.query<{ status: string }>(
      `SELECT data->>'status' AS status FROM outbox WHERE aggregate_id = $1 ORDER BY seq`,
      [id],
    );
    expect(events.map(({ status }) => status)).toEqual(expect.arrayContaining(['pending', 'running', 'succeeded']));
    await lab.plane.put('kim', 'sovereign');
    expect((await lab.row(await lab.gatewayOf('kim'))).image).toBe(lab.image('better'));
  });

  it('pauses, takes in who comes meanwhile with the image of before, resumes, and sends all back on request', async () => {
    const { id } = await begin(lab.image('good'), { maxUnavailable: 1 });
    await lab.until('one is done', async () => (await view(id)).progress.succeeded > 0);
    await post(`/v1/admin/rollouts/${id}/pause`, { reason: 'lunch' });
    const resting = await lab.until('none is under way', async () => {
      const now = await view(id);
      return now.progress.running === 0 && now;
    });
    expect(resting).toMatchObject({ status: 'paused', reason: 'lunch' });
    await lab.plane.put('leo', 'sovereign');
    const leo = await lab.gatewayOf('leo');
    expect((await lab.row(leo)).image).toBe(lab.image('better'));
    await lab.until('the newcomer has its place', async () =>
      (await targets(id)).some(({ gatewayId }) => gatewayId === leo),
    );
    expect((await view(id)).progress.succeeded).toBe(resting.progress.succeeded);
    await post(`/v1/admin/rollouts/${id}/resume`, {});
    await lab.until('it goes on', async () => (await view(id)).progress.succeeded > resting.progress.succeeded);
    await post(`/v1/admin/rollouts/${id}/abort`, { revert: true });
    const ended = await lab.until(
      'it is over',
      async () => {
        const now = await view(id);
        return now.finishedAt !== null && now;
      },
      120_000,
    );
    expect(ended.status).toBe('aborted');
    expect(ended.progress.reverted).toBeGreaterThan(1);
    await lab.until('all are back', async () => new Set(await imagesOf()).size === 1);
    expect(await imagesOf()).toContain(lab.image('better'));
  });

  it('gives way to a newer one', async () => {
    const first = await begin(lab.image('good'), { maxUnavailable: 1 });
    await becomes(first.id, 'running');
    const second = await begin(lab.image('better'));
    expect(await becomes(first.id, 'aborted')).toMatchObject({ reason: `Superseded by ${second.id}.` });
    await lab.until('it ends', async () => (await view(second.id)).finishedAt !== null, 120_000);
    await lab.until('all have it', async () => (await imagesOf()).every((image) => image === lab.image('better')));
  });

  it('leaves alone what an operator has upgraded by hand meanwhile', async () => {
    const { id } = await begin(lab.image('good'), { maxUnavailable: 1 });
    await lab.until('it has begun', async () => (await view(id)).progress.running > 0);
    await post(`/v1/admin/rollouts/${id}/pause`, {});
    const waiting = (await targets(id)).find(({ status }) => status === 'pending')!.gatewayId;
    expect((await post(`/v1/admin/gateways/${waiting}/upgrade`, { image: lab.image('good') })).status).toBe(202);
    await lab.until('it has its image', async () => (await lab.row(waiting)).image === lab.image('good'));
    expect((await targets(id)).find(({ gatewayId }) => gatewayId === waiting)).toMatchObject({
      status: 'skipped',
      reason: 'upgraded-by-hand',
    });
  });

  it('fails when nobody has the image, and says so', async () => {
    const { id } = await begin('/no/such/bundle.mjs');
    expect(await becomes(id, 'failed')).toMatchObject({ reason: expect.stringContaining('image-missing') as string });
  });

  it('writes nothing for a leader that is none any more', async () => {
    const database = lab.plane.app.get(Database);
    const lead = await takeLeadership(database, 'rollouts-of-the-test', 'somebody', 60);
    const { id } = await begin(lab.image('better'));
    const stale = { ...lead!, fence: lead!.fence - 1n };
    await expect(lab.plane.app.get(RolloutLeader).run(stale, AbortSignal.timeout(10_000))).rejects.toThrow(
      'another process',
    );
    expect((await view(id)).id).toBe(id);
  });

  it.each([
    [{}, 'image'],
    [{ image: 'has spaces in it' }, 'image'],
    [{ image: 'x', policy: { canary: 2 } }, 'policy.canary'],
    [{ image: 'x', policy: { batch: null } }, 'policy.batch'],
    [{ image: 'x', policy: { maxUnavailable: 0 } }, 'policy.maxUnavailable'],
    [{ image: 'x', policy: { nonsense: 1 } }, 'policy.nonsense'],
    [{ image: 'x', scope: { kind: 'both' } }, 'scope.kind'],
  ])('refuses %j by naming the field', async (body, field) => {
    const answer = await post<Problem & { errors: { field: string }[] }>('/v1/admin/rollouts', body);
    expect(answer.status).toBe(400);
    expect(answer.body.errors.map((error) => error.field)).toContain(field);
  });

  it('refuses a scope that reaches nothing, and what is not there', async () => {
    const unknown = await post<Problem>('/v1/admin/rollouts', { image: 'x', scope: { tenantId: 'ten_none' } });
    expect([unknown.status, unknown.body.code]).toEqual([422, 'rollout-scope-unknown']);
    expect((await post<Problem>('/v1/admin/rollouts/rol_none/abort', {})).status).toBe(404);
    expect((await post<Problem>('/v1/admin/gateways/gw_none/upgrade', { image: 'x' })).status).toBe(404);
  });
});
