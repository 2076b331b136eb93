import { describe, expect, it } from 'vitest';
import { progressOf, stepRunning, stepsFailed, stepsOf, stepsSucceeded } from './operation-steps.js';

const now = '2026-01-01T00:00:00.000Z';

describe('operation steps', () => {
  it('finishes everything before the step that now runs', () => {
    const steps = stepRunning(stepsOf('provision', false), 'attach', now)!;
    expect(steps.map((step) => step.status)).toEqual(['succeeded', 'succeeded', 'running', 'pending']);
    expect(progressOf(steps)).toBe(0.5);
  });

  it('reports no change for a step that runs already or is over', () => {
    const steps = stepRunning(stepsOf('provision', false), 'attach', now)!;
    expect(stepRunning(steps, 'attach', now)).toBeUndefined();
    expect(stepRunning(steps, 'place', now)).toBeUndefined();
    expect(stepRunning(steps, 'attach', now, 'waiting for the engine')![2]!.detail).toBe('waiting for the engine');
  });

  it('skips what was never needed and is complete at the end', () => {
    const steps = stepsSucceeded(stepRunning(stepsOf('change-tier', true), 'attach', now)!, now);
    expect(steps.map((step) => step.status).slice(-3)).toEqual(['succeeded', 'skipped', 'skipped']);
    expect(progressOf(steps)).toBe(1);
  });

  it('blames the running step, or the first one when none runs', () => {
    expect(
      stepsFailed(stepRunning(stepsOf('provision', false), 'start-gateway', now)!, now, 'no').map((s) => s.status),
    ).toEqual(['succeeded', 'failed', 'pending', 'pending']);
    expect(stepsFailed(stepsOf('cancel', false), now, 'no')[0]!.status).toBe('failed');
  });
});
