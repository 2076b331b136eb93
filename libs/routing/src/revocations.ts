import type { MemberClaims, Revocation } from '#libs/contracts';

/** One tenant's revocation never touches another tenant's token, whatever id it names. */
const tokenKey = (tenantId: string, jti: string) => `${tenantId}/${jti}`;

/** Whoever every token of is revoked: a member, or a whole tenant. */
const ownerKey = (tenantId: string, memberId: string | undefined) => `${tenantId}/${memberId ?? ''}`;

interface Border {
  readonly tenantId: string;
  readonly memberId: string | undefined;
  readonly issuedBefore: number;
  readonly until: number;
}

/** Revoked tokens, looked up in constant time; entries leave once no such token can be valid any more. */
export class Revocations {
  readonly #tokens = new Map<string, { tenantId: string; until: number }>();
  readonly #borders = new Map<string, Border>();

  clear(): void {
    this.#tokens.clear();
    this.#borders.clear();
  }

  add(entries: readonly Revocation[], now: number): void {
    for (const entry of entries) {
      const until = Date.parse(entry.until);
      const { tenantId } = entry;
      if ('jti' in entry) this.#tokens.set(tokenKey(tenantId, entry.jti), { tenantId, until });
      else this.#addBorder({ tenantId, memberId: entry.memberId, issuedBefore: Date.parse(entry.issuedBefore), until });
    }
    if (entries.length > 0) this.#prune(now);
  }

  /** A token issued within the second of a revocation counts as revoked: `iat` has no finer grain. */
  covers(claims: Pick<MemberClaims, 'tid' | 'jti' | 'sub' | 'iat'>): boolean {
    const { tid, jti, sub, iat } = claims;
    if (this.#tokens.has(tokenKey(tid, jti))) return true;
    return [sub, undefined].some((owner) => {
      const border = this.#borders.get(ownerKey(tid, owner));
      return border !== undefined && iat * 1000 < border.issuedBefore;
    });
  }

  list(): Revocation[] {
    const time = (at: number) => new Date(at).toISOString();
    return [
      ...[...this.#tokens].map(([key, { tenantId, until }]) => ({
        tenantId,
        jti: key.slice(tenantId.length + 1),
        until: time(until),
      })),
      ...[...this.#borders.values()].map(({ tenantId, memberId, issuedBefore, until }) => ({
        tenantId,
        ...(memberId === undefined ? {} : { memberId }),
        issuedBefore: time(issuedBefore),
        until: time(until),
      })),
    ];
  }

  /** Two revocations of one member: the later border covers the earlier one. */
  #addBorder(border: Border): void {
    const key = ownerKey(border.tenantId, border.memberId);
    const known = this.#borders.get(key);
    this.#borders.set(key, {
      ...border,
      issuedBefore: Math.max(border.issuedBefore, known?.issuedBefore ?? 0),
      until: Math.max(border.until, known?.until ?? 0),
    });
  }

  #prune(now: number): void {
    for (const entries of [this.#tokens, this.#borders])
      for (const [key, { until }] of entries) if (until < now) entries.delete(key);
  }
}
