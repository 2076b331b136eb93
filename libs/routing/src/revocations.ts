import type { MemberClaims, Revocation } from '#libs/contracts';

/** One tenant's revocation never touches another tenant's token, whatever id it names. */
const tokenKey = (tenantId: string, jti: string) => `${tenantId}/${jti}`;

/** Revoked tokens, looked up in constant time; entries leave once no such token can be valid any more. */
export class Revocations {
  readonly #tokens = new Map<string, { tenantId: string; until: number }>();
  readonly #members = new Map<string, { tenantId: string; issuedBefore: number; until: number }>();

  clear(): void {
    this.#tokens.clear();
    this.#members.clear();
  }

  add(entries: readonly Revocation[], now: number): void {
    for (const entry of entries) {
      const until = Date.parse(entry.until);
      const { tenantId } = entry;
      if ('jti' in entry) {
        this.#tokens.set(tokenKey(tenantId, entry.jti), { tenantId, until });
        continue;
      }
      const issuedBefore = Date.parse(entry.issuedBefore);
      const known = this.#members.get(entry.memberId);
      // Two revocations of one member: the later border covers the earlier one.
      this.#members.set(entry.memberId, {
        tenantId,
        issuedBefore: Math.max(issuedBefore, known?.issuedBefore ?? 0),
        until: Math.max(until, known?.until ?? 0),
      });
    }
    if (entries.length > 0) this.#prune(now);
  }

  /** A token issued within the second of a revocation counts as revoked: `iat` has no finer grain. */
  covers(claims: Pick<MemberClaims, 'tid' | 'jti' | 'sub' | 'iat'>): boolean {
    if (this.#tokens.has(tokenKey(claims.tid, claims.jti))) return true;
    const member = this.#members.get(claims.sub);
    return member !== undefined && member.tenantId === claims.tid && claims.iat * 1000 < member.issuedBefore;
  }

  list(): Revocation[] {
    const time = (at: number) => new Date(at).toISOString();
    return [
      ...[...this.#tokens].map(([key, { tenantId, until }]) => ({
        tenantId,
        jti: key.slice(tenantId.length + 1),
        until: time(until),
      })),
      ...[...this.#members].map(([memberId, entry]) => ({
        tenantId: entry.tenantId,
        memberId,
        issuedBefore: time(entry.issuedBefore),
        until: time(entry.until),
      })),
    ];
  }

  #prune(now: number): void {
    for (const [key, { until }] of this.#tokens) if (until < now) this.#tokens.delete(key);
    for (const [memberId, entry] of this.#members) if (entry.until < now) this.#members.delete(memberId);
  }
}
