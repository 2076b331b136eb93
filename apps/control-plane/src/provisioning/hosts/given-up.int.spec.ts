import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { HostView } from '../../fleet/host-view.js';
import { TwoHosts } from '../testing/two-hosts.fixture.js';

let hosts: TwoHosts;
const host = async (id: string): Promise<HostView> => (await hosts.call<HostView>('GET', `/v1/admin/hosts/${id}`)).body;

describe('a host that is silent for longer than an operator allows', () => {
  beforeAll(async () => {
    hosts = await TwoHosts.start(19_280, { WIREBOT_HOST_LOST_AFTER_SECONDS: '1' });
    await hosts.until(
      () => host(hosts.far),
      ({ lastSeenAt }) => lastSeenAt !== null,
    );
  });
  afterAll(async () => {
    process.env['WIREBOT_HOST_LOST_AFTER_SECONDS'] = '';
    await hosts.dispose();
  });

  it('is not given up while no other host could take what is on it', async () => {
    const local = await hosts.local();
    await hosts.call('POST', `/v1/admin/hosts/${local}/cordon`, {});
    hosts.hang(hosts.far);
    const since = await hosts.until(
      () => host(hosts.far),
      ({ silentSince }) => silentSince !== null,
    );
    // Whoever watches has looked at both again since, and at how long this one is silent.
    const { lastSeenAt } = await host(local);
    await hosts.until(
      () => host(local),
      (view) => Date.parse(view.lastSeenAt!) > Date.parse(lastSeenAt!),
    );
    expect(await host(hosts.far)).toMatchObject({ state: 'active', silentSince: since.silentSince });
    await hosts.call('POST', `/v1/admin/hosts/${local}/uncordon`);
  });

  it('is given up by itself as soon as there is one, and says for how long it was silent', async () => {
    const lost = await hosts.until(
      () => host(hosts.far),
      ({ state }) => state === 'lost',
    );
    expect(lost.reason).toBe('It has not answered for more than 1 s.');
    const lines = await hosts.plane.database.query<{ actor: string; data: object }>(
      `SELECT actor, data FROM audit_entries WHERE action = 'host.lose'`,
    );
    expect(lines).toEqual([{ actor: 'system:host-watch', data: { from: 'active', to: 'lost', startEmpty: false } }]);
  });
});
