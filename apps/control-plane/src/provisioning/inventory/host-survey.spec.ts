import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { GatewayDriver } from '#libs/drivers/core';
import { surveyHost } from './host-survey.js';

const signal = new AbortController().signal;
/** A root that a person chose, with other things in it. */
const driver = {
  list: () => Promise.resolve([]),
  listStates: () => Promise.resolve(['gw_01k8x', 'gw_01k8x-r', 'postgresql', 'home'].map((id) => ({ id, kept: [] }))),
} as unknown as GatewayDriver;

describe('surveyHost', () => {
  let root: string;
  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), 'wb-survey-'));
  });
  afterEach(() => rm(root, { recursive: true, force: true }));

  it('sees folders that only a gateway can have, so that nothing else is ever deleted', async () => {
    for (const name of ['gw_01k8x', '1000', 'user', '.proof-00']) await mkdir(join(root, name));
    const { states, secrets } = await surveyHost(driver, root, signal);
    expect(states.map(({ id }) => id)).toEqual(['gw_01k8x', 'gw_01k8x-r']);
    expect(secrets).toEqual(['gw_01k8x']);
  });

  it('takes a root that is not there for an empty one', async () => {
    expect((await surveyHost(driver, join(root, 'none'), signal)).secrets).toEqual([]);
  });
});
