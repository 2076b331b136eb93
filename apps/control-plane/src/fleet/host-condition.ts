import { type Condition, conditionsOf } from '../provisioning/conditions.js';

interface OnHost {
  readonly conditions: unknown;
  readonly phase: string;
  readonly host: { readonly name: string; readonly silentSince: Date | null };
}

/**
 * What is known of a gateway, and that its host does not answer. The latter is said of the host once, not on the row of
 * everything that is on it.
 */
export function conditionsWithHost({ conditions, phase, host }: OnHost): Condition[] {
  const own = conditionsOf(conditions);
  if (!host.silentSince || phase === 'deleted') return own;
  const message = `Its host ${host.name} does not answer. What runs there may serve on; nothing can be changed until it answers again.`;
  const at = host.silentSince.toISOString();
  return [...own, { type: 'HostAnswers', status: false, reason: 'host-silent', message, at }];
}
