import { describe, expect, it } from 'vitest';
import type { GatewaySpec } from '#libs/drivers/core';
import { type ContainerPlace, containerOptions, LABELS, specHash } from './container-spec.js';

const spec: GatewaySpec = {
  id: 'gw_1',
  kind: 'shared',
  runtime: 'wirebot',
  generation: 1,
  image: 'sha256:abc',
  port: 21_000,
  controlPort: 21_001,
  resources: { cpus: 1, memoryBytes: 1_000, pids: 10 },
  environment: { A: '1', B: '2' },
  secrets: { key: 'canary' },
};
const place: ContainerPlace = {
  name: 'wirebot-i-gw_1',
  instance: 'i',
  engine: 'docker',
  network: 'wirebot-i',
  address: '10.201.0.2',
  user: { uid: 10_001, gid: 10_001 },
  stateDirectory: '/s/gw_1',
  secretsDirectory: '/k/gw_1',
};
const hash = (changes: Partial<GatewaySpec> = {}, moved: Partial<ContainerPlace> = {}) =>
  specHash({ ...spec, ...changes }, { ...place, ...moved });

describe('the spec hash', () => {
  it('is the same for the same environment in another order, for other secrets and for other limits', () => {
    expect(hash({ environment: { B: '2', A: '1' } })).toBe(hash());
    expect(hash({ secrets: {} })).toBe(hash());
    expect(hash({ resources: { cpus: 2, memoryBytes: 1_001, pids: 11 } })).toBe(hash());
  });

  it.each<Partial<GatewaySpec>>([
    { generation: 2 },
    { image: 'sha256:abd' },
    { port: 21_002 },
    { controlPort: 21_003 },
    { kind: 'dedicated' },
    { runtime: 'openclaw' },
    { environment: { A: '1' } },
  ])('changes with %j', (changes) => {
    expect(hash(changes)).not.toBe(hash());
  });

  it('changes with the place', () => {
    const places = [{ address: '10.201.0.4' }, { stateDirectory: '/elsewhere' }, { user: { uid: 1, gid: 10_001 } }];
    for (const moved of places) expect(hash({}, moved)).not.toBe(hash());
  });
});

describe('the container', () => {
  it('holds no secret', () => {
    expect(JSON.stringify(containerOptions(spec, place))).not.toContain('canary');
  });

  it("lets the spec's environment not override the contract's", () => {
    const { Env } = containerOptions({ ...spec, environment: { WIREBOT_STATE_DIR: '/elsewhere' } }, place);
    expect(Env).toContain('WIREBOT_STATE_DIR=/state');
    expect(Env).not.toContain('WIREBOT_STATE_DIR=/elsewhere');
  });

  it('carries the labels an inventory needs', () => {
    expect(containerOptions(spec, place).Labels).toMatchObject({
      [LABELS.instance]: 'i',
      [LABELS.gateway]: 'gw_1',
      [LABELS.generation]: '1',
    });
  });
});
