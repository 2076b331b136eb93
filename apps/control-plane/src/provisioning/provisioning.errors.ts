import { DomainError, type ErrorKind } from '#libs/kernel';
import type { Refusal } from '../fleet/placement/host-choice.js';

export class PortRangeFull extends DomainError {
  readonly code = 'port-range-full';
  readonly kind = 'unavailable';
  constructor(host: string, from: number, to: number) {
    super(
      `Every port of ${from}-${to} on host ${host} is taken, so no further gateway fits. ` +
        'Widen WIREBOT_GATEWAY_PORTS and restart, or cancel members that no longer need a gateway.',
    );
  }
}

export class NoHostFits extends DomainError {
  readonly code = 'no-host-fits';
  readonly kind = 'unavailable';
  /** Only a host that is silent may take it later by itself; for everything else somebody has to act. */
  readonly retryable: boolean;
  constructor(need: { readonly memoryMb: number; readonly cpus: number }, refusals: readonly Refusal[]) {
    const why = refusals.map(({ host, message }) => `${host}: ${message}`).join('; ');
    super(
      `No host takes a gateway of ${need.memoryMb} MB and ${need.cpus} CPUs (${why || 'there is no host'}). ` +
        'Register another host, raise the limit that is named, or uncordon one.',
    );
    this.retryable = refusals.some(({ passing }) => passing);
  }
}

/** Somebody else took over the row: what this pass knows is old and must not be written. */
export class LeaseLost extends Error {
  constructor(id: string) {
    super(`the lease on ${id} was lost`);
  }
}

/** The reconciler tried an edge that the phase table does not have: a defect, shown instead of hidden. */
export class PhaseEdgeMissing extends Error {
  constructor(id: string, from: string, to: string) {
    super(`${id} cannot go from ${from} to ${to}`);
  }
}

/** A failure as rows keep it. */
export interface Failure {
  readonly code: string;
  readonly message: string;
  /** Whether waiting can help; otherwise somebody has to act. */
  readonly retryable: boolean;
}

const hasRetryable = (error: unknown): error is { retryable: boolean } =>
  error instanceof Object && 'retryable' in error && typeof error.retryable === 'boolean';

/** Every error the reconciler may meet, in one shape. Only DomainErrors speak for themselves. */
export function toFailure(error: unknown): Failure {
  if (error instanceof DomainError) {
    const kind: ErrorKind = error.kind;
    const retryable = hasRetryable(error)
      ? error.retryable
      : kind === 'unavailable' && !(error instanceof PortRangeFull);
    return { code: error.code, message: error.message, retryable };
  }
  return {
    code: 'internal-error',
    message: 'Something unexpected failed; the control plane log has the details. It is tried again by itself.',
    retryable: true,
  };
}
