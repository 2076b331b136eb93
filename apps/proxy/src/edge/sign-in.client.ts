import type { MemberClaims, SignInResult } from '#libs/contracts';
import { ProxyProblem } from '../proxy.errors.js';
import { TIMES } from '../proxy.limits.js';
import { codeOf, type ControlPlaneCalls, type InternalAnswer } from './control-plane.calls.js';

const isResult = (value: unknown): value is SignInResult =>
  typeof value === 'object' &&
  value !== null &&
  (['token', 'expiresAt', 'agentId', 'memberName'] as const).every(
    (name) => typeof (value as Record<string, unknown>)[name] === 'string',
  );

/** Turns one-time codes into member tokens, and ends those tokens, at the control plane. */
export class SignInClient {
  constructor(private readonly calls: ControlPlaneCalls) {}

  /** Never retried: the code is spent by the first call that arrives. Rejects with a ProxyProblem. */
  async exchange(tenantId: string, code: string, signal?: AbortSignal): Promise<SignInResult> {
    const { status, body } = await this.#exchange({ tenantId, code }, signal);
    // A 401 may also be about the proxy's own credential: that is no fault of the code.
    if (codeOf(body) === 'sign-in-code-invalid') throw new ProxyProblem('sign-in-code-invalid');
    if (status >= 300 || !isResult(body)) {
      throw new ProxyProblem('sign-in-unavailable', { cause: new Error(`the control plane answered ${status}`) });
    }
    return body;
  }

  /** Revokes the token everywhere; may be repeated. Rejects when the control plane did not confirm it. */
  async signOut({ tid: tenantId, sub: memberId, jti }: MemberClaims, signal?: AbortSignal): Promise<void> {
    const body = { tenantId, memberId, jti };
    const { status } = await this.calls.post('sign-in/sign-out', body, TIMES.signOut, signal);
    if (status >= 300) throw new Error(`the control plane answered ${status}`);
  }

  async #exchange(payload: object, signal?: AbortSignal): Promise<InternalAnswer> {
    try {
      return await this.calls.post('sign-in/exchange', payload, TIMES.signIn, signal);
    } catch (cause) {
      throw new ProxyProblem('sign-in-unavailable', { cause });
    }
  }
}
