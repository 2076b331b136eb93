import { describe, expect, it } from 'vitest';
import { agent, delta, snapshot, tenant } from './route.fixture.js';
import { LineReader } from './line-reader.js';
import { checkFrame, parseFrame, RouteFrameInvalid } from './route-frame.js';

const set = (path: string, value: unknown, frame: object = snapshot()): unknown => {
  const copy = structuredClone(frame) as Record<string, unknown>;
  const steps = path.split('.');
  const last = steps.pop()!;
  let at = copy;
  for (const step of steps) at = at[step] as Record<string, unknown>;
  if (value === undefined) delete at[last];
  else at[last] = value;
  return copy;
};

const until = new Date().toISOString();

describe('checkFrame', () => {
  it('accepts what the contract allows', () => {
    const held = agent('h', 'acme', { state: 'held', target: { host: '', port: 0 } });
    const frames = [
      snapshot({
        agents: [held],
        revocations: [
          { tenantId: 'ten_acme', jti: 'a', until },
          { tenantId: 'ten_acme', memberId: 'm', issuedBefore: until, until },
          { tenantId: 'ten_acme', issuedBefore: until, until },
        ],
      }),
      delta(1),
      delta(1, { version: 5, agents: { upsert: [agent('a', 'acme')], remove: ['agt_b'] }, jwks: { keys: [] } }),
      { type: 'heartbeat', version: 3, at: until },
    ];
    for (const frame of frames) expect(checkFrame(frame)).toBe(frame);
  });

  it.each([
    ['an unknown type', set('type', 'other')],
    ['no version', set('version', undefined)],
    ['a version that is no number', set('version', '1')],
    ['a negative version', set('version', -1)],
    ['no epoch', set('epoch', '')],
    ['no issuer', set('issuer', undefined)],
    ['no keys', set('jwks', {})],
    ['no agents', set('agents', undefined)],
    ['an agent without a workspace', set('agents.1.workspaceId', undefined)],
    ['an agent in an unknown state', set('agents.0.state', 'gone')],
    ['a live agent without a port', set('agents.0.target.port', 0)],
    ['a port that is none', set('agents.0.target.port', 70_000)],
    ['a live agent without a host', set('agents.0.target.host', '')],
    ['an agent without a model', set('agents.0.model', null)],
    ['one agent twice', set('agents', [agent('a', 'acme'), agent('a', 'acme')])],
    ['one tenant twice', set('tenants', [tenant('acme'), tenant('acme')])],
    ['a tenant without hosts', set('tenants.0.hosts', undefined)],
    ['an empty host', set('tenants.0.hosts', [''])],
    ['a tenant without a brand', set('tenants.0.brand', undefined)],
    ['a revocation of nothing', set('revocations', [{ until: new Date().toISOString() }])],
    ['a revocation without an end', set('revocations', [{ tenantId: 'ten_acme', jti: 'a', until: 'soon' }])],
    [
      'a revocation of a member who is no text',
      set('revocations', [{ tenantId: 't', memberId: 5, issuedBefore: until, until }]),
    ],
    ['a delta backwards', { ...delta(5), version: 4 }],
    ['a delta from nowhere', set('from', undefined, delta(1))],
    ['a delta with half a change', { ...delta(1), agents: { upsert: [] } }],
    ['a delta that removes a number', { ...delta(1), tenants: { upsert: [], remove: [5] } }],
    ['null', null],
    ['a list', []],
  ])('refuses %s', (_name, frame) => {
    expect(() => checkFrame(frame)).toThrow(RouteFrameInvalid);
  });

  it('refuses a line that is no JSON, without repeating it', () => {
    expect(() => parseFrame('{"secret": "abc"')).toThrow(RouteFrameInvalid);
    expect(() => parseFrame('{"secret": "abc"')).not.toThrow(/abc/);
  });
});

describe('LineReader', () => {
  it('finds the same lines however the bytes are cut, also inside a character', () => {
    const bytes = Buffer.from('añb\n\n{"x":"\u{1F600}"}\nrest');
    for (let size = 1; size <= bytes.length; size += 1) {
      const reader = new LineReader(1000);
      const lines: string[] = [];
      for (let at = 0; at < bytes.length; at += size) lines.push(...reader.push(bytes.subarray(at, at + size)));
      expect(lines).toEqual(['añb', '', '{"x":"\u{1F600}"}']);
    }
  });

  it('refuses a line beyond its limit before it is complete', () => {
    const reader = new LineReader(10);
    expect(reader.push(Buffer.from('123456789\n'))).toEqual(['123456789']);
    reader.push(Buffer.from('123456'));
    expect(() => reader.push(Buffer.from('78901'))).toThrow(RouteFrameInvalid);
  });
});
