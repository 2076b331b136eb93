import { Injectable } from '@nestjs/common';
import { Database, type Prisma, type Tx } from '#libs/database';
import { Clock } from '#libs/kernel';
import { ChangeNotifier } from '#libs/queue';
import { generateSigningKey, type SigningKey } from '#libs/tokens';
import { SecretBox } from '../secrets/secret-box.js';

/** A signing key is used from memory for this long before the database is asked again, in milliseconds. */
const CACHE_MS = 60_000;
const LOCK = 'wirebot/signing-key';
/** The route feed listens here; it carries the key set to proxies. */
const ROUTES_CHANNEL = 'routes';

const sealContext = (kid: string): string => `signing-key/${kid}`;

/** The keys that member tokens are signed with. The first one is made when it is first needed. */
@Injectable()
export class SigningKeysService {
  #cached: { readonly key: SigningKey; readonly until: number } | undefined;

  constructor(
    private readonly database: Database,
    private readonly box: SecretBox,
    private readonly notifier: ChangeNotifier,
    private readonly clock: Clock,
  ) {}

  /** The newest key that is not retired; made under a lock when there is none, so that processes agree on one. */
  async current(): Promise<SigningKey> {
    const now = this.clock.now().getTime();
    if (this.#cached && this.#cached.until > now) return this.#cached.key;
    const key = (await this.database.system((tx) => this.#newest(tx))) ?? (await this.#create());
    this.#cached = { key, until: now + CACHE_MS };
    return key;
  }

  /** Every key that a valid token may carry. A retired key is gone from here: retire one only when its tokens have ended. */
  async jwks(): Promise<{ readonly keys: readonly Record<string, unknown>[] }> {
    await this.current(); // the set is never empty
    const rows = await this.database.system((tx) =>
      tx.signingKey.findMany({ where: { retiredAt: null }, select: { publicJwk: true }, orderBy: { kid: 'asc' } }),
    );
    return { keys: rows.map((row) => row.publicJwk as Record<string, unknown>) };
  }

  async #newest(tx: Tx): Promise<SigningKey | undefined> {
    const row = await tx.signingKey.findFirst({
      where: { retiredAt: null },
      orderBy: [{ createdAt: 'desc' }, { kid: 'asc' }],
    });
    if (!row) return undefined;
    const privateJwk = this.box.open(row.privateJwkEncrypted, sealContext(row.kid)).toString();
    return {
      kid: row.kid,
      publicJwk: row.publicJwk as SigningKey['publicJwk'],
      privateJwk: JSON.parse(privateJwk) as SigningKey['privateJwk'],
    };
  }

  async #create(): Promise<SigningKey> {
    const fresh = await generateSigningKey();
    const key = await this.database.system(async (tx) => {
      await tx.$executeRaw`SELECT pg_advisory_xact_lock(hashtext(${LOCK}))`;
      const other = await this.#newest(tx);
      if (other) return other;
      await tx.signingKey.create({
        data: {
          kid: fresh.kid,
          publicJwk: fresh.publicJwk as Prisma.InputJsonObject,
          privateJwkEncrypted: Uint8Array.from(this.box.seal(JSON.stringify(fresh.privateJwk), sealContext(fresh.kid))),
          createdAt: this.clock.now(),
        },
        select: { kid: true },
      });
      return fresh;
    });
    await this.notifier.publish(ROUTES_CHANNEL);
    return key;
  }
}
