import type { MemberClaims, Revocation } from '#libs/contracts';

/** Revoked tokens, looked up in constant time; entries leave once no such token can be valid any more. */
export class Revocations {
  readonly #tokens = new Map<string, number>();
  readonly #members = new Map<string, { issuedBefore: number; until: number }>();

  clear(): void {
    this.#tokens.clear();
    this.#members.clear();
  }

  add(entries: readonly Revocation[], now: number): void {
    for (const entry of entries) {
      const until = Date.parse(entry.until);
      if ('jti' in entry) {
        this.#tokens.set(entry.jti, until);
        continue;
      }
      const issuedBefore = Date.parse(entry.issuedBefore);
      const known = this.#members.get(entry.memberId);
      // Two revocations of one member: the later border covers the earlier one.
      this.#members.set(entry.memberId, {
        issuedBefore: Math.max(issuedBefore, known?.issuedBefore ?? 0),
        until: Math.max(until, known?.until ?? 0),
      });
    }
    if (entries.length > 0) this.#prune(now);
  }

  /** A token issued within the second of a revocation counts as revoked: `iat` has no finer grain. */
  covers(claims: Pick<MemberClaims, 'jti' | 'sub' | 'iat'>): boolean {
    if (this.#tokens.has(claims.jti)) return true;
    const member = this.#members.get(claims.sub);
    return member !== undefined && claims.iat * 1000 < member.issuedBefore;
  }

  list(): Revocation[] {
    const time = (at: number) => new Date(at).toISOString();
    return [
      ...[...this.#tokens].map(([jti, until]) => ({ jti, until: time(until) })),
      ...[...this.#members].map(([memberId, entry]) => ({
        memberId,
        issuedBefore: time(entry.issuedBefore),
        until: time(entry.until),
      })),
    ];
  }

  #prune(now: number): void {
    for (const [jti, until] of this.#tokens) if (until < now) this.#tokens.delete(jti);
    for (const [memberId, entry] of this.#members) if (entry.until < now) this.#members.delete(memberId);
  }
}
