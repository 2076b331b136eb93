import { describe, expect, it } from 'vitest';
import { type KnownGateway, strays } from './comparison.js';
import type { HostSurvey } from './host-survey.js';

const HERE = 'hst_1';
const row = (id: string, changes: Partial<KnownGateway> = {}): [string, KnownGateway] => [
  id,
  { id, hostId: HERE, phase: 'ready', upgrading: false, ...changes },
];
const survey = (changes: Partial<HostSurvey>): HostSurvey => ({ gateways: [], states: [], secrets: [], ...changes });
const reasons = (seen: HostSurvey, ...rows: [string, KnownGateway][]) =>
  strays(seen, HERE, new Map(rows)).map(({ kind, name, reason }) => `${kind} ${name}: ${reason}`);

const runs = (id: string, generation = 1) => ({ id, generation, running: true });
const state = (id: string, ...kept: string[]) => ({ id, kept });

describe('comparing a host with the rows', () => {
  it('finds nothing to say about a gateway that has a row, whatever its generation and phase', () => {
    const seen = survey({ gateways: [runs('gw_1', 7)], states: [state('gw_1')], secrets: ['gw_1'] });
    for (const phase of ['pending', 'ready', 'suspended', 'lost', 'deleting'])
      expect(reasons(seen, row('gw_1', { phase }))).toEqual([]);
  });

  it('names a gateway that no row knows, and its state only once it does not run', () => {
    const seen = survey({
      gateways: [runs('gw_1')],
      states: [state('gw_1'), state('gw_2')],
      secrets: ['gw_1', 'gw_3'],
    });
    expect(reasons(seen)).toEqual([
      'container gw_1: unknown-gateway',
      'folder gw_2: orphan-folder',
      'secrets gw_3: orphan-secrets',
    ]);
  });

  it('names what is left of a deleted gateway', () => {
    const deleted = [row('gw_1', { phase: 'deleted' }), row('gw_2', { phase: 'deleted' })] as const;
    const seen = survey({ gateways: [runs('gw_1')], states: [state('gw_2', 'upgrade')], secrets: ['gw_2'] });
    expect(reasons(seen, ...deleted)).toEqual([
      'container gw_1: leftover-gateway',
      'folder gw_2: leftover-folder',
      'secrets gw_2: orphan-secrets',
    ]);
  });

  it('leaves alone what belongs to another host: two hosts may be one engine', () => {
    const seen = survey({ gateways: [runs('gw_1')], states: [state('gw_1')], secrets: ['gw_1'] });
    expect(reasons(seen, row('gw_1', { hostId: 'hst_2' }))).toEqual(['container gw_1: gateway-on-other-host']);
  });

  it('names a kept copy when no upgrade needs it', () => {
    const seen = survey({ gateways: [runs('gw_1')], states: [state('gw_1', 'before-2')] });
    expect(reasons(seen, row('gw_1', { upgrading: true }))).toEqual([]);
    expect(reasons(seen, row('gw_1'))).toEqual(['folder gw_1/before-2: kept-copy-left']);
  });
});
