import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ControlPlaneFixture } from './testing/control-plane.fixture.js';

describe('provisioning while the engine is down', () => {
  let plane: ControlPlaneFixture;

  beforeAll(async () => {
    plane = await ControlPlaneFixture.start({
      WIREBOT_DRIVER: 'docker',
      WIREBOT_DOCKER_SOCKET: '/nonexistent/docker.sock',
      WIREBOT_GATEWAY_IMAGE: 'wirebot/gateway:any',
      WIREBOT_OPERATION_DEADLINE_SECONDS: '2',
    });
  });
  afterAll(() => plane.dispose());

  it('says so while it waits, and fails at the deadline with the reason and what happens next', async () => {
    const operation = await plane.put('sol', 'sovereign');
    expect(operation).toMatchObject({ status: 'failed', error: { code: 'engine-unreachable' } });
    expect(operation?.error?.message).toMatch(/background/);
    const step = operation?.steps.find((entry) => entry.name === 'start-gateway');
    expect(step).toMatchObject({ status: 'failed' });
    const rows = await plane.database.query<{ phase: string; conditions: { reason: string }[] }>(
      'SELECT phase, conditions FROM gateways',
    );
    expect(rows).toHaveLength(1);
    expect(rows[0]?.conditions[0]?.reason).toBe('engine-unreachable');
  });
});
