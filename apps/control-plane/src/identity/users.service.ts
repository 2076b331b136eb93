import { Injectable } from '@nestjs/common';
import { Database } from '#libs/database';
import { Clock, Ids } from '#libs/kernel';
import { assertPassword } from './password-policy.js';
import { hashPassword, verifyPassword } from './passwords.js';

export interface UserView {
  readonly id: string;
  readonly email: string;
}

export const normalizeEmail = (email: string): string => email.trim().toLowerCase();

/** People who sign in to a console. */
@Injectable()
export class UsersService {
  constructor(
    private readonly database: Database,
    private readonly ids: Ids,
    private readonly clock: Clock,
  ) {}

  /** Creates the operator, or gives an existing one this password. Throws PasswordTooWeak. */
  async ensure(email: string, password: string): Promise<UserView> {
    assertPassword(password, email);
    const passwordHash = await hashPassword(password);
    const id = this.ids.next('user');
    const now = this.clock.now();
    return this.database.system((tx) =>
      tx.user.upsert({
        where: { email: normalizeEmail(email) },
        create: { id, email: normalizeEmail(email), passwordHash, platformRole: 'operator', emailVerifiedAt: now },
        update: { passwordHash },
        select: { id: true, email: true },
      }),
    );
  }

  async count(): Promise<number> {
    return this.database.system((tx) => tx.user.count());
  }

  /** The id of whoever has this address. */
  async idOf(email: string): Promise<string | undefined> {
    const where = { email: normalizeEmail(email) };
    return (await this.database.system((tx) => tx.user.findUnique({ where, select: { id: true } })))?.id;
  }

  /** The user when the password is right and the account enabled; takes as long when there is no such user. */
  async verify(email: string, password: string): Promise<(UserView & { passwordHash: string | null }) | undefined> {
    const user = await this.database.system((tx) => tx.user.findUnique({ where: { email: normalizeEmail(email) } }));
    const right = await verifyPassword(user?.passwordHash ?? undefined, password);
    if (!user || !right || user.disabledAt !== null) return undefined;
    return { id: user.id, email: user.email, passwordHash: user.passwordHash };
  }

  /** The same for somebody who is signed in. */
  async verifyById(id: string, password: string): Promise<boolean> {
    const user = await this.database.system((tx) => tx.user.findUnique({ where: { id } }));
    return verifyPassword(user?.passwordHash ?? undefined, password);
  }
}
