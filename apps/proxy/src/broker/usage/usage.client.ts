import type { QuotaAnswer, QuotaCall, UsageBatch, UsageReceipt } from '#libs/contracts';
import { deadline } from '#libs/kernel';
import { request } from 'undici';

/** The control plane refused what was sent: the same again is refused again. */
export class ReportRefused extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
  ) {
    super(`the control plane refused it (${status} ${code})`);
  }
}

const TIMES = {
  /** A report is repeated; what it says waits in the journal meanwhile. */
  report: 15_000,
  /** A call waits for its lease. */
  lease: 3_000,
} as const;

/** What a broker tells and asks the control plane. */
export class UsageClient {
  constructor(
    private readonly controlPlaneUrl: string,
    private readonly credential: () => Promise<string>,
  ) {}

  /** May be repeated. Rejects with ReportRefused for what is wrong in itself. */
  async report(batch: UsageBatch, signal?: AbortSignal): Promise<UsageReceipt> {
    return (await this.#post('/internal/usage', batch, TIMES.report, signal)) as UsageReceipt;
  }

  async leases(call: QuotaCall, signal?: AbortSignal): Promise<QuotaAnswer> {
    return (await this.#post('/internal/quota/leases', call, TIMES.lease, signal)) as QuotaAnswer;
  }

  async #post(path: string, payload: object, within: number, signal?: AbortSignal): Promise<unknown> {
    const answer = await request(`${this.controlPlaneUrl}${path}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${await this.credential()}` },
      body: JSON.stringify(payload),
      signal: deadline(within, signal),
    });
    const body: unknown = await answer.body.json().catch(() => undefined);
    if (answer.statusCode === 200 && body) return body;
    const code = (body as { code?: string } | undefined)?.code ?? 'unknown';
    if (answer.statusCode === 400 || answer.statusCode === 413 || answer.statusCode === 422) {
      throw new ReportRefused(answer.statusCode, code);
    }
    throw new Error(`the control plane answered ${answer.statusCode}`);
  }
}
