import { deadline } from '#libs/kernel';
import { request } from 'undici';

export interface InternalAnswer {
  readonly status: number;
  /** Undefined: an answer without one. */
  readonly body: unknown;
}

/** Of the answers to proxies, the code of the problem. A 401 may also be about the proxy's own credential. */
export const codeOf = (body: unknown): unknown =>
  typeof body === 'object' && body !== null ? (body as { code?: unknown }).code : undefined;

/** Calls of the control plane's internal routes, with the proxy's credential. */
export class ControlPlaneCalls {
  constructor(
    private readonly controlPlaneUrl: string,
    private readonly credential: () => Promise<string>,
  ) {}

  /** One try. Rejects when no answer came in time. */
  async post(path: string, payload: object, milliseconds: number, signal?: AbortSignal): Promise<InternalAnswer> {
    const answer = await request(`${this.controlPlaneUrl}/internal/${path}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${await this.credential()}` },
      body: JSON.stringify(payload),
      signal: deadline(milliseconds, signal),
    });
    const text = await answer.body.text();
    return { status: answer.statusCode, body: text === '' ? undefined : (JSON.parse(text) as unknown) };
  }
}
