import type { SignInResult } from '#libs/contracts';
import { deadline } from '#libs/kernel';
import { request } from 'undici';
import { ProxyProblem } from '../proxy.errors.js';
import { TIMES } from '../proxy.limits.js';

const isResult = (value: unknown): value is SignInResult =>
  typeof value === 'object' &&
  value !== null &&
  (['token', 'expiresAt', 'agentId', 'memberName'] as const).every(
    (name) => typeof (value as Record<string, unknown>)[name] === 'string',
  );

const codeOf = (body: unknown): unknown =>
  typeof body === 'object' && body !== null ? (body as { code?: unknown }).code : undefined;

/** Turns one-time codes into member tokens, at the control plane. */
export class SignInClient {
  constructor(
    private readonly controlPlaneUrl: string,
    private readonly credential: () => Promise<string>,
  ) {}

  /** Never retried: the code is spent by the first call that arrives. Rejects with a ProxyProblem. */
  async exchange(tenantId: string, code: string, signal?: AbortSignal): Promise<SignInResult> {
    const { status, body } = await this.#post({ tenantId, code }, signal);
    // A 401 may also be about the proxy's own credential: that is no fault of the code.
    if (codeOf(body) === 'sign-in-code-invalid') throw new ProxyProblem('sign-in-code-invalid');
    if (status >= 300 || !isResult(body)) {
      throw new ProxyProblem('sign-in-unavailable', { cause: new Error(`the control plane answered ${status}`) });
    }
    return body;
  }

  async #post(payload: Record<string, string>, signal?: AbortSignal): Promise<{ status: number; body: unknown }> {
    try {
      const answer = await request(`${this.controlPlaneUrl}/internal/sign-in/exchange`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', authorization: `Bearer ${await this.credential()}` },
        body: JSON.stringify(payload),
        signal: deadline(TIMES.signIn, signal),
      });
      return { status: answer.statusCode, body: await answer.body.json() };
    } catch (cause) {
      throw new ProxyProblem('sign-in-unavailable', { cause });
    }
  }
}
