import { ManualClock } from '#libs/kernel';
import { describe, expect, it } from 'vitest';
import { agent, delta, snapshot, tenant } from './route.fixture.js';
import { RouteTable } from './route-table.js';

const filled = () => {
  const table = new RouteTable();
  table.apply(snapshot());
  return table;
};

describe('RouteTable', () => {
  it('finds nothing and is nowhere before the first snapshot', () => {
    const table = new RouteTable();
    expect(table.position).toBeUndefined();
    expect(table.snapshot()).toBeUndefined();
    expect(table.apply(delta(0))).toBe('gap');
    expect(table.apply({ type: 'heartbeat', version: 0, at: '' })).toBe('gap');
  });

  it('finds a tenant by host and slug, an agent by id and workspace', () => {
    const table = filled();
    expect(table.tenantByHost('acme.test')?.slug).toBe('acme');
    expect(table.tenantBySlug('other')?.tenantId).toBe('ten_other');
    expect(table.agent('agt_a')?.workspaceId).toBe('wsp_a');
    expect(table.agentOfWorkspace('ten_acme', 'wsp_a')?.agentId).toBe('agt_a');
    expect(table.agentOfWorkspace('ten_other', 'wsp_a')).toBeUndefined();
  });

  it('finds a host that was published with capitals', () => {
    const table = new RouteTable();
    table.apply(snapshot({ tenants: [tenant('acme', { hosts: ['Chat.Acme.TEST'] })] }));
    expect(table.tenantByHost('chat.acme.test')?.slug).toBe('acme');
  });

  it('applies a delta that continues it and calls for a snapshot when one is missing', () => {
    const table = filled();
    expect(table.apply(delta(1, { agents: { upsert: [agent('b', 'acme')], remove: ['agt_a'] } }))).toBe('applied');
    expect([table.agent('agt_a'), table.agentOfWorkspace('ten_acme', 'wsp_a')]).toEqual([undefined, undefined]);
    expect(table.agent('agt_b')).toBeDefined();
    for (const from of [0, 1, 3, 99]) {
      expect(table.apply(delta(from, { agents: { upsert: [], remove: ['agt_b'] } }))).toBe('gap');
      expect(table.agent('agt_b')).toBeDefined();
    }
  });

  it('calls for a snapshot when a heartbeat is ahead', () => {
    const table = filled();
    expect(table.apply({ type: 'heartbeat', version: 1, at: '' })).toBe('current');
    expect(table.apply({ type: 'heartbeat', version: 2, at: '' })).toBe('gap');
  });

  it('refuses an older snapshot of the same epoch and takes any of another one', () => {
    const table = new RouteTable();
    table.apply(snapshot({ version: 5 }));
    expect(table.apply(snapshot({ version: 4, agents: [] }))).toBe('stale');
    expect(table.size.agents).toBe(2);
    expect(table.apply(snapshot({ version: 5 }))).toBe('applied');
    expect(table.apply(snapshot({ epoch: 'e2', version: 1, tenants: [], agents: [] }))).toBe('applied');
    expect([table.size, table.position]).toEqual([
      { tenants: 0, agents: 0 },
      { epoch: 'e2', version: 1 },
    ]);
  });

  it('refuses an empty snapshot of the same epoch over a table that has tenants', () => {
    const table = filled();
    expect(table.apply(snapshot({ version: 2, tenants: [], agents: [] }))).toBe('empty');
    expect(table.size).toEqual({ tenants: 2, agents: 2 });
  });

  it('forgets hosts and slugs a tenant has given up', () => {
    const table = filled();
    const moved = tenant('acme', { slug: 'acme2', hosts: ['new.test'] });
    table.apply(delta(1, { tenants: { upsert: [moved], remove: [] } }));
    expect([table.tenantByHost('acme.test'), table.tenantBySlug('acme')]).toEqual([undefined, undefined]);
    expect([table.tenantByHost('new.test'), table.tenantBySlug('acme2')]).toEqual([moved, moved]);
  });

  it.each(['giver first', 'taker first'])('lets a host change hands in one delta, %s', (order) => {
    const table = filled();
    const giver = tenant('acme', { hosts: [] });
    const taker = tenant('other', { hosts: ['acme.test'] });
    const upsert = order === 'giver first' ? [giver, taker] : [taker, giver];
    table.apply(delta(1, { tenants: { upsert, remove: [] } }));
    expect(table.tenantByHost('acme.test')).toBe(taker);
  });

  it('gives the workspace of a removed agent to its successor in one delta', () => {
    const table = filled();
    const successor = agent('a2', 'acme', { workspaceId: 'wsp_a' });
    table.apply(delta(1, { agents: { upsert: [successor], remove: ['agt_a'] } }));
    expect(table.agentOfWorkspace('ten_acme', 'wsp_a')).toBe(successor);
  });

  it('replaces keys by identity, and only when they change', () => {
    const table = filled();
    const before = table.keys;
    table.apply(delta(1));
    expect(table.keys).toBe(before);
    table.apply(delta(2, { jwks: { keys: [{ kid: 'k2' }] } }));
    expect(table.keys).toEqual({ issuer: 'http://issuer.test', jwks: { keys: [{ kid: 'k2' }] } });
  });

  it('knows revoked tokens, and members whose earlier tokens are', () => {
    const clock = new ManualClock(new Date('2026-01-01T00:00:00Z'));
    const table = new RouteTable(clock);
    const until = '2026-01-01T00:15:00Z';
    table.apply(snapshot({ revocations: [{ tenantId: 'ten_acme', jti: 't1', until }] }));
    table.apply(
      delta(1, {
        revocations: [{ tenantId: 'ten_acme', memberId: 'mem_a', issuedBefore: '2026-01-01T00:00:10Z', until }],
      }),
    );
    const at = (text: string) => Date.parse(text) / 1000;
    const claims = (jti: string, sub: string, iat: string) => ({ tid: 'ten_acme', jti, sub, iat: at(iat) });
    expect(table.isRevoked(claims('t1', 'mem_b', '2026-01-01T00:00:00Z'))).toBe(true);
    expect(table.isRevoked(claims('t2', 'mem_b', '2026-01-01T00:00:00Z'))).toBe(false);
    expect(table.isRevoked(claims('t3', 'mem_a', '2026-01-01T00:00:09Z'))).toBe(true);
    expect(table.isRevoked(claims('t4', 'mem_a', '2026-01-01T00:00:10Z'))).toBe(false);
    clock.advance(16 * 60_000);
    table.apply(delta(2, { revocations: [{ tenantId: 'ten_acme', jti: 't5', until: '2026-01-01T01:00:00Z' }] }));
    expect(table.snapshot()?.revocations).toEqual([
      { tenantId: 'ten_acme', jti: 't5', until: '2026-01-01T01:00:00.000Z' },
    ]);
  });

  it('knows when every earlier token of a tenant is revoked, and leaves other tenants alone', () => {
    const table = new RouteTable(new ManualClock(new Date('2026-01-01T00:00:00Z')));
    const everyone = { tenantId: 'ten_acme', issuedBefore: '2026-01-01T00:00:10Z', until: '2026-01-01T08:00:00Z' };
    const lesser = { ...everyone, memberId: 'mem_a', issuedBefore: '2026-01-01T00:00:05Z' };
    table.apply(snapshot({ revocations: [everyone, lesser] }));
    const at = (seconds: number) => Date.parse('2026-01-01T00:00:00Z') / 1000 + seconds;
    const claims = (tid: string, sub: string, iat: number) => ({ tid, jti: 't', sub, iat: at(iat) });
    expect(table.isRevoked(claims('ten_acme', 'mem_a', 9))).toBe(true);
    expect(table.isRevoked(claims('ten_acme', 'mem_b', 9))).toBe(true);
    expect(table.isRevoked(claims('ten_acme', 'mem_a', 10))).toBe(false);
    expect(table.isRevoked(claims('ten_other', 'mem_a', 0))).toBe(false);
    const again = new RouteTable(new ManualClock(new Date('2026-01-01T00:00:00Z')));
    again.apply(table.snapshot()!);
    expect(again.isRevoked(claims('ten_acme', 'mem_b', 9))).toBe(true);
    expect(again.isRevoked(claims('ten_acme', 'mem_b', 10))).toBe(false);
  });

  it('tells apart frames that may end access from those that cannot', () => {
    const table = new RouteTable();
    table.apply(snapshot());
    const changes = (frame: ReturnType<typeof delta>) => {
      const before = table.accessChanges;
      table.apply(frame);
      return table.accessChanges > before;
    };
    expect(changes(delta(1, { agents: { upsert: [agent('b', 'acme')], remove: [] } }))).toBe(false);
    expect(changes(delta(2, { revocations: [] }))).toBe(true);
    expect(changes(delta(3, { jwks: { keys: [] } }))).toBe(true);
    expect(changes(delta(4, { tenants: { upsert: [], remove: ['ten_other'] } }))).toBe(true);
  });

  it('is the same table whether built by any run of deltas or by its own snapshot', () => {
    // A fixed generator: a failure repeats.
    let seed = 42;
    const random = (below: number) => {
      seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648;
      return seed % below;
    };
    const name = (prefix: string) => `${prefix}${random(6)}`;
    const table = new RouteTable();
    table.apply(snapshot({ version: 0 }));
    for (let version = 0; version < 2000; version += 1) {
      const agents = {
        upsert: [
          agent(name('n'), name('t'), { workspaceId: name('wsp_'), target: { host: 'h', port: 1 + random(9) } }),
        ],
        remove: random(3) === 0 ? [`agt_${name('n')}`] : [],
      };
      const tenants = {
        upsert: random(4) === 0 ? [tenant(name('t'), { hosts: [name('host'), name('host')] })] : [],
        remove: random(9) === 0 ? [`ten_${name('t')}`] : [],
      };
      expect(table.apply(delta(version, { agents, tenants }))).toBe('applied');
      const whole = table.snapshot()!;
      for (let i = 0; i < 6; i += 1) {
        const found = table.tenantByHost(`host${i}`);
        // Whoever is found is a tenant of the table and holds the host.
        expect(found === undefined || (whole.tenants.includes(found) && found.hosts.includes(`host${i}`))).toBe(true);
        expect(table.agent(`agt_n${i}`)).toBe(whole.agents.find((entry) => entry.agentId === `agt_n${i}`));
      }
    }
    const copy = new RouteTable();
    copy.apply(JSON.parse(JSON.stringify(table.snapshot())) as ReturnType<typeof snapshot>);
    expect(copy.snapshot()).toEqual(table.snapshot());
  });

  it('takes a change among 10,000 routes in well under a millisecond', () => {
    const agents = Array.from({ length: 10_000 }, (_, i) => agent(`n${i}`, 'acme'));
    const table = new RouteTable();
    table.apply(snapshot({ agents }));
    const before = performance.now();
    for (let i = 0; i < 1000; i += 1) {
      table.apply(delta(1 + i, { agents: { upsert: [agent(`n${i}`, 'acme', { state: 'held' })], remove: [] } }));
    }
    // A generous bound against a change that copies the table: that would take seconds.
    expect(performance.now() - before).toBeLessThan(1000);
    expect(table.agent('agt_n999')?.state).toBe('held');
  });
});
