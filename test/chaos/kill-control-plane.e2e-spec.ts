import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { delay } from '#libs/kernel';
import { Api } from '../support/api.js';
import { chat } from '../support/chat.js';
import { runningGateways } from '../support/gateways.js';
import { type Model, startModel } from '../support/model.js';
import { drivers, TestStack } from '../support/stack.js';

/** Milliseconds after the call: together they fall into every step of provisioning, which takes 150 to 600 ms. */
const MOMENTS = [0, 20, 60, 120, 200, 300, 450, 700];

describe.each(drivers)('kill -9 of the control plane while it provisions on the %s driver', (driver) => {
  let model: Model;
  let stack: TestStack;
  let api: Api;

  beforeAll(async () => {
    model = await startModel();
    stack = await TestStack.start({ driver, env: model.env });
    api = new Api(stack.file);
  });

  afterAll(async () => {
    await stack.dispose();
    await model.api.close();
  });

  it.each(MOMENTS)(
    '%i ms after the call: it finishes, exactly one gateway exists, none is orphaned',
    async (moment) => {
      const name = `m${moment}`;
      const change = await api.put(name, 'sovereign');
      await delay(moment);
      await stack.reread();
      stack.kill('control-plane');
      const operation = await api.finished(change.body.operation!.id, 60_000);
      expect(operation).toMatchObject({ status: 'succeeded' });
      const { gateway } = (await api.call<{ gateway: { id: string } }>('GET', `/v1/members/${name}`)).body;
      const running = await runningGateways(stack);
      expect(running.filter((id) => id === gateway.id)).toHaveLength(1);
      const rows = await stack.database.query<{ id: string }>("SELECT id FROM gateways WHERE phase <> 'deleted'");
      expect(running.toSorted()).toEqual(rows.map((row) => row.id).toSorted());
      expect((await chat(await api.token(name), 'are you there?')).text).toContain('are you there?');
    },
  );

  it.each(MOMENTS)('%i ms into a move to a gateway of its own: nothing of the conversation is lost', async (moment) => {
    const name = `v${moment}`;
    await api.provisioned(name, 'freewire');
    const token = await api.token(name);
    const said = await chat(token, 'before the move');
    const change = await api.put(name, 'sovereign');
    await delay(moment);
    await stack.reread();
    stack.kill('control-plane');
    expect(await api.finished(change.body.operation!.id, 60_000)).toMatchObject({ status: 'succeeded' });
    const answer = await chat(token, 'after the move', { session: said.session });
    expect(answer.session).toBe(said.session);
    expect(JSON.stringify(model.api.requests.at(-1)?.body['messages'])).toContain('before the move');
  });
});
