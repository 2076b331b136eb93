import { Injectable } from '@nestjs/common';
import { Database } from '#libs/database';
import { Counters } from '#libs/queue';
import { AuditLog } from '../../audit/audit-log.js';
import { canonicalBlock } from '../address-list.js';
import { TooManyAttempts } from '../identity.errors.js';
import { sha256 } from '../secrets.js';

export interface Limit {
  readonly tries: number;
  readonly seconds: number;
}

/**
 * Tries, right or wrong, per window. Several windows make who goes on guessing wait longer each time. What strangers use
 * up for an e-mail address does not count for a browser that signed in before (see DeviceCookies), nor for magic links,
 * passkeys and identity providers: guessing locks the guesser out, not the owner.
 */
export const SIGN_IN_LIMITS = {
  /** Passwords for one e-mail address from one network address, or from one known browser. */
  pair: [
    { tries: 10, seconds: 900 },
    { tries: 20, seconds: 7_200 },
    { tries: 40, seconds: 86_400 },
  ],
  /** Passwords for one e-mail address from everywhere but known browsers. */
  email: [
    { tries: 50, seconds: 900 },
    { tries: 1_000, seconds: 86_400 },
  ],
  /** Sign-ins of every kind from one network address. */
  address: [{ tries: 50, seconds: 900 }],
  /** Challenges for passkeys to one network address: every sign-in page asks for one. */
  challenges: [{ tries: 300, seconds: 900 }],
  /** Codes of one user, wherever they are asked for. */
  codes: [
    { tries: 10, seconds: 900 },
    { tries: 40, seconds: 86_400 },
  ],
  /** Passwords given by a session to prove who uses it. */
  proofs: [{ tries: 10, seconds: 900 }],
  /** Invitations of new users by one tenant's own people and keys. */
  invitations: [
    { tries: 30, seconds: 3_600 },
    { tries: 100, seconds: 86_400 },
  ],
  /** Mails to one e-mail address; more are not sent. */
  mails: [
    { tries: 5, seconds: 900 },
    { tries: 20, seconds: 86_400 },
  ],
} as const satisfies Record<string, readonly Limit[]>;

/** The user a limit is about, looked up only when it is reached. */
type About = () => Promise<string | undefined>;

export type LimitName = keyof typeof SIGN_IN_LIMITS;

/** Counts tries across all processes. Without counters nobody gets through: guessing must never be free. */
@Injectable()
export class SignInLimits {
  constructor(
    private readonly counters: Counters,
    private readonly database: Database,
    private readonly audit: AuditLog,
  ) {}

  /** Counts a try; throws TooManyAttempts. The first refusal of a window leaves an audit line about the user. */
  async consume(name: LimitName, of: string, about: string | About = async () => undefined): Promise<void> {
    const wait = await this.#count(name, of);
    if (wait === undefined) return;
    await this.#tell(name, of, wait, about);
    throw new TooManyAttempts(wait.resetSeconds);
  }

  /** The same, for callers who must not tell that they refused. */
  async allows(name: LimitName, of: string): Promise<boolean> {
    return (await this.#count(name, of)) === undefined;
  }

  /** A try that a window refuses does not count in the longer ones: those count what was really tried. */
  async #count(name: LimitName, of: string): Promise<(Limit & { readonly resetSeconds: number }) | undefined> {
    for (const limit of SIGN_IN_LIMITS[name]) {
      const { allowed, resetSeconds } = await this.counters.consume(keyOf(name, of), limit.tries, limit.seconds);
      if (!allowed) return { ...limit, resetSeconds };
    }
    return undefined;
  }

  async #tell(name: LimitName, of: string, limit: Limit, about: string | About): Promise<void> {
    const first = await this.counters.consume(`told:${keyOf(name, of)}`, 1, limit.seconds);
    if (!first.allowed) return;
    const userId = (typeof about === 'string' ? about : await about()) ?? 'unknown';
    const line = { tenantId: null, actor: 'system:sign-in', action: 'sign-in.lock', resource: 'user' };
    const data = { limit: name, tries: limit.tries, seconds: limit.seconds };
    await this.database.system((tx) => this.audit.record(tx, { ...line, resourceId: userId, data }));
  }
}

const keyOf = (name: LimitName, of: string): string =>
  `sign-in:${name}:${sha256(name === 'address' ? networkOf(of) : of)}`;

/** A network address as it is counted: whoever has one IPv6 address has the 2^64 of its network. */
export function networkOf(address: string): string {
  const plain = address.replace(/%.*$/, '').replace(/^::ffff:(?=[\d.]+$)/i, '');
  return plain.includes(':') ? (canonicalBlock(`${plain}/64`) ?? plain) : plain;
}
