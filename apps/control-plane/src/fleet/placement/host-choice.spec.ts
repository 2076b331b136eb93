import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { chooseHost, type HostCandidate, type PlaceNeed, refusalOf } from './host-choice.js';

const host = (name: string, over: Partial<HostCandidate> = {}): HostCandidate => ({
  id: `hst_${name}`,
  name,
  state: 'active',
  silent: false,
  labels: {},
  capacity: {},
  gateways: 0,
  memoryMb: 0,
  cpus: 0,
  freePorts: 10,
  freeDiskMb: null,
  machineMemoryMb: null,
  ...over,
});
const need = (over: Partial<PlaceNeed> = {}): PlaceNeed => ({ memoryMb: 512, cpus: 1, tenant: 'acme', ...over });
const chosen = (hosts: HostCandidate[], wish = need(), policy: 'spread' | 'pack' = 'spread'): string | undefined => {
  const choice = chooseHost(hosts, wish, policy);
  return 'host' in choice ? choice.host.name : undefined;
};

describe('the choice of a host', () => {
  it.each([
    ['state', { state: 'cordoned' }, 'it is cordoned'],
    ['state', { state: 'draining' }, 'it is draining'],
    ['state', { state: 'lost' }, 'it is lost'],
    ['silent', { silent: true }, 'it does not answer right now'],
    ['tenant', { labels: { tenant: 'other' } }, 'it is reserved for the tenant other'],
    ['gateways', { gateways: 3, capacity: { gateways: 3 } }, '3 of 3 gateways are taken and 1 more are needed'],
    ['memory', { memoryMb: 600, capacity: { memoryMb: 1_000 } }, '600 of 1000 MB of memory'],
    ['cpus', { cpus: 1.5, capacity: { cpus: 2 } }, '1.5 of 2 CPUs'],
    ['disk', { freeDiskMb: 900, capacity: { diskMb: 1_000 } }, 'only 900 MB of its disk are free'],
    ['disk', { freeDiskMb: 100 }, 'only 100 MB of its disk are free'],
    ['ports', { freePorts: 0 }, 'every port of its range is taken'],
  ] as const)('names the limit %s', (limit, over, message) => {
    const refusal = refusalOf(host('a', over), need());
    expect(refusal).toMatchObject({ host: 'a', limit, passing: limit === 'silent' });
    expect(refusal?.message).toContain(message);
    expect(chosen([host('a', over)])).toBeUndefined();
  });

  it('uses what is left to the last', () => {
    const full = { gateways: 2, memoryMb: 512, cpus: 1, capacity: { gateways: 3, memoryMb: 1_024, cpus: 2 } };
    expect(chosen([host('a', { ...full, freePorts: 1 })])).toBe('a');
  });

  it('spreads over hosts, or packs them', () => {
    const hosts = [host('a', { gateways: 4 }), host('b', { gateways: 1 }), host('c', { gateways: 9 })];
    expect(chosen(hosts, need(), 'spread')).toBe('b');
    expect(chosen(hosts, need(), 'pack')).toBe('c');
  });

  it('compares hosts of different sizes by what share of them is promised', () => {
    const small = host('small', { gateways: 2, memoryMb: 1_024, machineMemoryMb: 4_096 });
    const big = host('big', { gateways: 6, memoryMb: 3_072, machineMemoryMb: 65_536 });
    expect(chosen([small, big])).toBe('big');
  });

  it('keeps a reserved host to its tenant, and its tenant to it', () => {
    const hosts = [host('own', { labels: { tenant: 'acme' }, gateways: 50 }), host('common')];
    expect(chosen(hosts)).toBe('own');
    expect(chosen(hosts, need({ tenant: 'other' }))).toBe('common');
    expect(chosen([{ ...hosts[0]!, state: 'draining' }, hosts[1]!])).toBeUndefined();
  });

  it('follows a chosen host, and leaves where it comes from when it can', () => {
    const hosts = [host('a'), host('b', { gateways: 30 })];
    expect(chosen(hosts, need({ hostId: 'hst_b' }))).toBe('b');
    expect(chosen(hosts, need({ from: 'hst_a' }))).toBe('b');
    expect(chosen([hosts[0]!], need({ from: 'hst_a' }))).toBe('a');
  });

  it('never chooses a host that refuses, whatever the policy, and always one when any takes it', () => {
    const any = fc.record({
      gateways: fc.nat(5),
      memoryMb: fc.nat(2_000),
      cpus: fc.nat(4),
      freePorts: fc.nat(3),
      silent: fc.boolean(),
      state: fc.constantFrom('active', 'cordoned', 'draining', 'lost'),
      labels: fc.constantFrom<Record<string, string>[]>({}, { tenant: 'acme' }, { tenant: 'other' }),
      capacity: fc.record({ gateways: fc.nat(5), memoryMb: fc.nat(2_000) }, { requiredKeys: [] }),
    });
    fc.assert(
      fc.property(fc.array(any, { maxLength: 5 }), fc.constantFrom('spread', 'pack'), (list, policy) => {
        const hosts = list.map((over, index) => host(`h${index}`, over));
        const choice = chooseHost(hosts, need(), policy as 'spread');
        const own = hosts.filter((one) => one.labels['tenant'] === 'acme');
        const pool = own.length > 0 ? own : hosts;
        const takes = pool.filter((one) => refusalOf(one, need()) === undefined);
        const refused = 'refusals' in choice ? choice.refusals.length : 0;
        expect(refused).toBe(takes.length > 0 ? 0 : pool.length);
        expect('host' in choice ? takes.includes(choice.host) : takes.length === 0).toBe(true);
      }),
    );
  });
});
