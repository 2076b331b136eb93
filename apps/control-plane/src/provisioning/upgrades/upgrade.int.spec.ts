import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { Database, takeLeadership } from '#libs/database';
import { ApiKeysService } from '../../identity/api-keys.service.js';
import { MembersService } from '../../members/members.service.js';
import { KeptCopies } from '../../rollouts/kept-copies.js';
import { StepObserver } from '../steps.js';
import { type ImageKind, UpgradeLab } from '../testing/upgrade-lab.fixture.js';

describe('the upgrade of one gateway, with real processes', () => {
  let lab: UpgradeLab;
  let key: string;

  beforeAll(async () => {
    lab = await UpgradeLab.start({ WIREBOT_GATEWAY_PORTS: '19700-19759' });
    key = (await lab.plane.app.get(ApiKeysService).issue({ tenantId: null, name: 'ops', scopes: ['*'] })).key;
  });
  afterAll(() => lab.dispose());

  const upgrade = async (id: string, kind: ImageKind): Promise<void> => {
    const answer = await lab.call('POST', `/v1/admin/gateways/${id}/upgrade`, key, { image: lab.image(kind) });
    expect(answer.status).toBe(202);
  };
  const nothingLeft = async (id: string): Promise<void> => {
    expect(await lab.rows("pool = 'rehearsal' AND phase <> 'deleted'")).toEqual([]);
    const inventory = await lab.driver.list(AbortSignal.timeout(5_000));
    expect(inventory.map((entry) => entry.id)).not.toContain(`${id}-r`);
    const states = await lab.driver.listStates(AbortSignal.timeout(5_000));
    expect(states.map((state) => state.id)).not.toContain(`${id}-r`);
  };
  const keptOf = async (id: string): Promise<readonly string[]> =>
    (await lab.driver.listStates(AbortSignal.timeout(5_000))).find((state) => state.id === id)?.kept ?? [];

  it('goes to the new image; the conversation is whole, and nothing but the kept copy is left', async () => {
    await lab.plane.put('ann', 'sovereign');
    const id = await lab.gatewayOf('ann');
    const said = await lab.chat('ann', 'before the upgrade', { idempotencyKey: 'a1' });
    await upgrade(id, 'better');
    await lab.until('it begins', async () => (await lab.row(id)).phase !== 'ready');
    const during = await lab.chat('ann', 'during the upgrade', { session: said.session, idempotencyKey: 'a2' });
    const now = await lab.settled(id);
    expect(now).toMatchObject({ image: lab.image('better'), rollback: { state: 'kept' } });
    expect(lab.upgraded(now)).toMatchObject({ status: true, reason: 'upgraded' });
    expect(lab.upgraded(now)!.message).toMatch(/held for \d+ ms/);
    const { messages } = await lab.session('ann', during.session);
    const texts = messages.map((message) => message.text);
    expect(texts.filter((text) => text === 'before the upgrade')).toHaveLength(1);
    expect(texts.filter((text) => text === 'during the upgrade')).toHaveLength(1);
    expect(messages).toHaveLength(4);
    expect(await keptOf(id)).toEqual([now.rollback!.snapshot]);
    expect(await lab.routeOf('ann')).toMatchObject({ state: 'live' });
    await nothingLeft(id);
  });

  it.each<[ImageKind, string]>([
    ['exits', 'gateway-exited'],
    ['silent', 'gateway-start-timeout'],
    ['faulty', 'agent-faulty'],
  ])('an image that %s is found out on the copy: the gateway is not touched', async (kind, reason) => {
    const id = await lab.gatewayOf('ann');
    await lab.chat('ann', 'something to open', { idempotencyKey: `b-${kind}` });
    const before = await lab.row(id);
    const process = await lab.driver.inspect(id, AbortSignal.timeout(5_000));
    await upgrade(id, kind);
    const now = await lab.settled(id);
    expect(now).toMatchObject({ image: before.image, generation: before.generation });
    expect(lab.upgraded(now)).toMatchObject({ status: false, reason });
    expect(await lab.driver.inspect(id, AbortSignal.timeout(5_000))).toEqual(process);
    await nothingLeft(id);
  });

  it.each<[ImageKind, string]>([
    ['exits-in-place', 'gateway-exited'],
    ['silent-in-place', 'gateway-start-timeout'],
    ['corrupts', 'agent-faulty'],
    ['ends-soon', 'gateway-exited'],
  ])('an image that %s is taken back: image and data are those of before, byte for byte', async (kind, reason) => {
    const id = await lab.gatewayOf('ann');
    const said = await lab.chat('ann', `before ${kind}`, { idempotencyKey: `c-${kind}` });
    const before = await lab.row(id);
    const files: Record<string, Record<string, string>> = {};
    const steps = lab.plane.app.get(StepObserver);
    const seen = vi.spyOn(steps, 'reached').mockImplementation((_kind, _phase, step) => {
      if (step === 'kept' || step === 'restored') files[step] = lab.filesOf(id);
    });
    await upgrade(id, kind);
    await lab.until('its routes are held', async () => (await lab.routeOf('ann')).state === 'held');
    const during = lab.chat('ann', `during ${kind}`, { session: said.session, idempotencyKey: `d-${kind}` });
    const now = await lab.settled(id);
    seen.mockRestore();
    expect(now).toMatchObject({ image: before.image, rollback: null });
    expect(lab.upgraded(now)).toMatchObject({ status: false, reason });
    expect(lab.upgraded(now)!.message).toContain('Image and data are those of before.');
    expect(Object.keys(files['kept']!).length).toBeGreaterThan(0);
    expect(files['restored']).toEqual(files['kept']);
    const { session } = await during;
    const texts = (await lab.session('ann', session)).messages.map((message) => message.text);
    for (const text of [`before ${kind}`, `during ${kind}`])
      expect(texts.filter((each) => each === text)).toHaveLength(1);
    expect(await keptOf(id)).toEqual([]);
    await nothingLeft(id);
  });

  it('an image that is not there changes nothing and says so', async () => {
    const id = await lab.gatewayOf('ann');
    const before = await lab.row(id);
    const answer = await lab.call('POST', `/v1/admin/gateways/${id}/upgrade`, key, { image: '/no/such/bundle.mjs' });
    expect(answer.status).toBe(202);
    const now = await lab.settled(id);
    expect(now).toMatchObject({ image: before.image, generation: before.generation });
    expect(lab.upgraded(now)).toMatchObject({ status: false, reason: 'image-missing' });
  });

  it('a cell goes on taking new members while it is rehearsed, and all of them are there afterwards', async () => {
    await Promise.all(['bea', 'bob', 'bud'].map((name) => lab.plane.put(name, 'freewire')));
    const id = await lab.gatewayOf('bea');
    for (const name of ['bea', 'bob', 'bud'])
      await lab.chat(name, `hello from ${name}`, { idempotencyKey: `e-${name}` });
    await upgrade(id, 'better');
    expect(await lab.plane.put('bix', 'freewire')).toMatchObject({ status: 'succeeded' });
    const now = await lab.settled(id);
    expect(now.image).toBe(lab.image('better'));
    for (const name of ['bea', 'bob', 'bud', 'bix']) {
      expect(await lab.gatewayOf(name)).toBe(id);
      await lab.chat(name, `hello again from ${name}`, { idempotencyKey: `f-${name}` });
    }
  });

  it('one that is stopped stays so, and shows at its next start how it does', async () => {
    await lab.plane.put('cal', 'sovereign');
    const id = await lab.gatewayOf('cal');
    await lab.chat('cal', 'before the rest', { idempotencyKey: 'g1' });
    await lab.plane.database.query(`UPDATE gateways SET desired_state = 'stopped', due_at = now() WHERE id = $1`, [id]);
    await lab.until('it rests', async () => (await lab.row(id)).phase === 'suspended');
    await upgrade(id, 'corrupts');
    const resting = await lab.until('its image is changed', async () => {
      const now = await lab.row(id);
      return now.target === null && now;
    });
    expect(resting).toMatchObject({ phase: 'suspended', image: lab.image('corrupts'), rollback: { state: 'open' } });
    await lab.plane.database.query(`UPDATE gateways SET desired_state = 'running', due_at = now() WHERE id = $1`, [id]);
    const back = await lab.settled(id);
    expect(back).toMatchObject({ image: lab.image('good'), rollback: null });
    expect(lab.upgraded(back)).toMatchObject({ status: false, reason: 'agent-faulty' });
    await lab.chat('cal', 'after the rest', { idempotencyKey: 'g2' });
  });

  it('an upgrade that is stopped midway is gone on with, and ends with one image or the other', async () => {
    const id = await lab.gatewayOf('cal');
    await upgrade(id, 'better');
    await lab.until('it is replaced', async () => ['replacing', 'verifying'].includes((await lab.row(id)).phase));
    await lab.plane.database.query(`UPDATE gateways SET desired_state = 'stopped', due_at = now() WHERE id = $1`, [id]);
    await lab.until('it rests', async () => (await lab.row(id)).phase === 'suspended');
    await lab.plane.database.query(`UPDATE gateways SET desired_state = 'running', due_at = now() WHERE id = $1`, [id]);
    await lab.chat('cal', 'and now', { idempotencyKey: 'h1' });
    expect((await lab.settled(id)).image).toBe(lab.image('better'));
    await nothingLeft(id);
  });

  it('a kept copy goes when its day is over, and every one of a tenant when somebody of it is erased', async () => {
    const [cell, own] = [await lab.gatewayOf('bix'), await lab.gatewayOf('cal')];
    for (const id of [cell, own]) expect(await keptOf(id)).toHaveLength(1);
    await lab.plane.database.query(
      `UPDATE gateways SET rollback = jsonb_set(rollback, '{keptUntil}', '"2020-01-01T00:00:00Z"') WHERE id = $1`,
      [own],
    );
    const lead = await takeLeadership(lab.plane.app.get(Database), 'copies-of-the-test', 'somebody', 60);
    await lab.plane.app.get(KeptCopies).run(lead!, AbortSignal.timeout(10_000));
    expect([await keptOf(own), (await lab.row(own)).rollback]).toEqual([[], null]);
    expect(await keptOf(cell)).toHaveLength(1);
    const { operation } = await lab.plane.app.get(MembersService).act(lab.plane.caller, 'bix', 'erase');
    expect(await lab.plane.ended(operation!.id)).toMatchObject({ status: 'succeeded' });
    expect([await keptOf(cell), (await lab.row(cell)).rollback]).toEqual([[], null]);
  });

  it('a copy that its gateway has left behind is found and removed', async () => {
    const id = await lab.gatewayOf('cal');
    await upgrade(id, 'silent');
    await lab.until('its copy runs', async () =>
      (await lab.driver.list(AbortSignal.timeout(5_000))).some((entry) => entry.id === `${id}-r` && entry.running),
    );
    // As if the pass had died and the row been put back by hand.
    await lab.plane.database.query(
      `UPDATE gateways SET target_image = NULL, phase = 'ready', fence = fence + 1 WHERE id = $1`,
      [id],
    );
    await lab.plane.database.query(`UPDATE gateways SET due_at = now() WHERE id = $1`, [`${id}-r`]);
    await lab.until(
      'it is gone',
      async () => (await lab.rows("pool = 'rehearsal' AND phase <> 'deleted'")).length === 0,
    );
    await nothingLeft(id);
    await upgrade(id, 'good');
    expect((await lab.settled(id)).image).toBe(lab.image('good'));
  });

  it('can be called off while it is rehearsed, and not be asked for twice', async () => {
    const id = await lab.gatewayOf('cal');
    const before = await lab.row(id);
    await upgrade(id, 'silent');
    await lab.until('it is rehearsed', async () => (await lab.row(id)).phase === 'rehearsing');
    const again = await lab.call<{ code: string }>('POST', `/v1/admin/gateways/${id}/upgrade`, key, { image: 'x' });
    expect([again.status, again.body.code]).toEqual([409, 'gateway-not-upgradable']);
    await lab.plane.database.query(`UPDATE gateways SET target_image = NULL, due_at = now() WHERE id = $1`, [id]);
    const now = await lab.settled(id);
    expect(now).toMatchObject({ image: before.image, generation: before.generation });
    expect(lab.upgraded(now)).toMatchObject({ status: false, reason: 'upgrade-cancelled' });
    await nothingLeft(id);
  });
});
