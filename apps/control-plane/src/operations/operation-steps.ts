import type { OperationStepView } from '#libs/contracts';

export type OperationKind =
  'provision' | 'update' | 'change-tier' | 'pause' | 'resume' | 'cancel' | 'erase' | 'export' | 'move' | 'restore';
export type StepName =
  | 'place'
  | 'start-gateway'
  | 'quiesce'
  | 'transfer'
  | 'attach'
  | 'publish-route'
  | 'release'
  | 'detach'
  | 'erase'
  | 'collect'
  | 'check'
  | 'back-up'
  | 'import';
export type OperationStep = OperationStepView & { readonly name: StepName };

const LEAVE: readonly StepName[] = ['detach', 'release'];
const RESTORE: readonly StepName[] = [
  'start-gateway',
  'check',
  'back-up',
  'quiesce',
  'import',
  'attach',
  'publish-route',
];

/** What an operation of each kind goes through. `moves`: the agent changes its placement. */
export function stepsOf(kind: OperationKind, moves: boolean): OperationStep[] {
  const names: readonly StepName[] =
    kind === 'pause' || kind === 'cancel'
      ? LEAVE
      : kind === 'export'
        ? ['collect']
        : kind === 'restore'
          ? RESTORE
          : kind === 'erase'
            ? ['detach', 'erase']
            : moves
              ? ['place', 'start-gateway', 'quiesce', 'transfer', 'attach', 'publish-route', 'release']
              : ['place', 'start-gateway', 'attach', 'publish-route'];
  return names.map((name) => ({ name, status: 'pending', startedAt: null, finishedAt: null, detail: null }));
}

const isOver = (step: OperationStep): boolean => step.status !== 'pending' && step.status !== 'running';

/** Marks `name` as running (everything before it is then done); returns undefined when nothing changes. */
export function stepRunning(
  steps: readonly OperationStep[],
  name: StepName,
  now: string,
  detail: string | null = null,
): OperationStep[] | undefined {
  const index = steps.findIndex((step) => step.name === name);
  const current = steps[index];
  if (!current || (current.status === 'running' && current.detail === detail) || isOver(current)) return undefined;
  return steps.map((step, i) => {
    if (i < index && !isOver(step))
      return { ...step, status: 'succeeded', startedAt: step.startedAt ?? now, finishedAt: now };
    return i === index ? { ...step, status: 'running', startedAt: step.startedAt ?? now, detail } : step;
  });
}

/** Closes every step: those that were never needed count as skipped. */
export const stepsSucceeded = (steps: readonly OperationStep[], now: string): OperationStep[] =>
  steps.map((step) =>
    isOver(step)
      ? step
      : step.status === 'running'
        ? { ...step, status: 'succeeded', finishedAt: now, detail: null }
        : { ...step, status: 'skipped', finishedAt: now },
  );

/** The running step (else the first open one) is what failed. */
export function stepsFailed(steps: readonly OperationStep[], now: string, detail: string): OperationStep[] {
  const running = steps.findIndex((step) => step.status === 'running');
  const at = running >= 0 ? running : steps.findIndex((step) => !isOver(step));
  return steps.map((step, i) =>
    i === at ? { ...step, status: 'failed', startedAt: step.startedAt ?? now, finishedAt: now, detail } : step,
  );
}

export const progressOf = (steps: readonly OperationStep[]): number =>
  steps.length === 0 ? 1 : steps.filter(isOver).length / steps.length;
