import type { TrustSignalKind, TrustSignalReport } from '#libs/contracts';

/** Members and kinds between two reports; more are not told apart from none. */
const MOST_ENTRIES = 1_000;
const MOST_COUNT = 10_000;

/** Suspicious things seen of members since the last report, counted within bounds. */
export class SignalCounts {
  #counts = new Map<string, { report: TrustSignalReport; count: number }>();

  note(tenantId: string, memberId: string, kind: TrustSignalKind): void {
    const key = `${tenantId}/${memberId}/${kind}`;
    const known = this.#counts.get(key);
    if (known) known.count = Math.min(MOST_COUNT, known.count + 1);
    else if (this.#counts.size < MOST_ENTRIES) {
      this.#counts.set(key, { report: { tenantId, memberId, kind, count: 1 }, count: 1 });
    }
  }

  /** What was counted since it was last taken. */
  take(): TrustSignalReport[] {
    const taken = [...this.#counts.values()].map(({ report, count }) => ({ ...report, count }));
    this.#counts = new Map();
    return taken;
  }
}
