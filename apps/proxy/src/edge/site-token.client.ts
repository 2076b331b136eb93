import { DomainError } from '#libs/kernel';
import { TokenExpired, TokenInvalid, TokenRevoked } from '#libs/tokens';
import { ProxyProblem } from '../proxy.errors.js';
import { TIMES } from '../proxy.limits.js';
import { codeOf, type ControlPlaneCalls, type InternalAnswer } from './control-plane.calls.js';

/** What the control plane says about the token or its member; anything else is no answer to the question. */
const REFUSALS: Readonly<Record<string, () => DomainError>> = {
  'site-token-invalid': () => new TokenInvalid(),
  'token-expired': () => new TokenExpired(),
  'token-revoked': () => new TokenRevoked(),
  'tenant-suspended': () => new ProxyProblem('tenant-suspended'),
  'member-not-found': () => new ProxyProblem('agent-not-found'),
  'member-not-active': () => new ProxyProblem('agent-not-found'),
  'surface-not-in-tier': () => new ProxyProblem('agent-not-found'),
};

/** Turns a membership site's token into one of ours, at the control plane. */
export class SiteTokenClient {
  constructor(private readonly calls: ControlPlaneCalls) {}

  /** Rejects with what is wrong with the token, or with `token-exchange-unavailable`. */
  async exchange(tenantId: string, token: string): Promise<string> {
    const { status, body } = await this.#post({ tenantId, token });
    const own = (body as { token?: unknown } | undefined)?.token;
    if (status < 300 && typeof own === 'string') return own;
    const refusal = REFUSALS[String(codeOf(body))];
    if (refusal) throw refusal();
    const cause = new Error(`the control plane answered ${status}`);
    throw new ProxyProblem('token-exchange-unavailable', { cause });
  }

  async #post(payload: object): Promise<InternalAnswer> {
    try {
      return await this.calls.post('token-exchange', payload, TIMES.tokenExchange);
    } catch (cause) {
      throw new ProxyProblem('token-exchange-unavailable', { cause });
    }
  }
}
