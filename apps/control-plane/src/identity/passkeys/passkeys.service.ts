import { Injectable } from '@nestjs/common';
import { Database, type Prisma, type Tx } from '#libs/database';
import { Clock } from '#libs/kernel';
import type { PublicKeyCredentialCreationOptionsJSON } from '@simplewebauthn/server';
import { AuditLog } from '../../audit/audit-log.js';
import type { CurrentUser } from '../decorators.js';
import { WaysToSignIn } from '../oidc/ways-to-sign-in.js';
import { suggestName } from './authenticator-names.js';
import { PasskeyExists, PasskeyNotFound, TooManyPasskeys } from './passkeys.errors.js';
import { type PasskeyRow, PasskeysRepository, publicIdOf } from './passkeys.repository.js';
import { type MadePasskey, MOST_PASSKEYS, Registrations } from './registrations.js';

export interface PasskeyView {
  readonly id: string;
  readonly name: string;
  /** Kept by a service on several devices, and not on one device alone. */
  readonly synced: boolean;
  readonly createdAt: string;
  readonly lastUsedAt: string | null;
}

const view = (row: PasskeyRow): PasskeyView => ({
  id: publicIdOf(row.credentialId),
  name: row.name,
  synced: row.backedUp,
  createdAt: row.createdAt.toISOString(),
  lastUsedAt: row.lastUsedAt?.toISOString() ?? null,
});

/** A user's own passkeys. */
@Injectable()
export class PasskeysService {
  constructor(
    private readonly database: Database,
    private readonly passkeys: PasskeysRepository,
    private readonly registrations: Registrations,
    private readonly ways: WaysToSignIn,
    private readonly audit: AuditLog,
    private readonly clock: Clock,
  ) {}

  async list(userId: string): Promise<PasskeyView[]> {
    return (await this.passkeys.list(userId)).map(view);
  }

  options(user: CurrentUser): Promise<PublicKeyCredentialCreationOptionsJSON> {
    return this.registrations.options(user);
  }

  /** Throws ChallengeOver, PasskeyNotAccepted, PasskeyExists or TooManyPasskeys. */
  async add(user: CurrentUser, credential: Record<string, unknown>, name?: string): Promise<PasskeyView> {
    const made = await this.registrations.verify(user, credential);
    return this.ways.add(user.userId, 'A passkey that was added just now', async (tx) => {
      const known = await this.passkeys.list(user.userId, tx);
      if (known.length >= MOST_PASSKEYS) throw new TooManyPasskeys(MOST_PASSKEYS);
      const transports = made.credential.transports ?? [];
      const taken = known.map((row) => row.name);
      const data = this.#rowOf(user.userId, made, name ?? suggestName(made.aaguid, transports, taken));
      const { count } = await tx.passkey.createMany({ data: [data], skipDuplicates: true });
      if (count === 0) throw new PasskeyExists();
      await this.#record(tx, user.userId, 'create', data.credentialId, { deviceType: data.deviceType });
      return view(await tx.passkey.findUniqueOrThrow({ where: { credentialId: data.credentialId } }));
    });
  }

  /** Throws PasskeyNotFound. */
  async rename(userId: string, id: string, name: string): Promise<PasskeyView> {
    return this.database.system(async (tx) => {
      const row = await this.passkeys.findOwn(tx, userId, id);
      if (!row) throw new PasskeyNotFound();
      const changed = await tx.passkey.update({ where: { credentialId: row.credentialId }, data: { name } });
      await this.#record(tx, userId, 'rename', row.credentialId, {});
      return view(changed);
    });
  }

  /** Throws PasskeyNotFound or LastWayToSignIn. */
  async remove(userId: string, id: string): Promise<void> {
    await this.ways.remove(userId, async (tx) => {
      const row = await this.passkeys.findOwn(tx, userId, id);
      if (!row) throw new PasskeyNotFound();
      await tx.passkey.delete({ where: { credentialId: row.credentialId }, select: { userId: true } });
      await this.#record(tx, userId, 'delete', row.credentialId, {});
    });
  }

  #rowOf(userId: string, made: MadePasskey, name: string) {
    const { credential, credentialDeviceType: deviceType, credentialBackedUp: backedUp } = made;
    return {
      credentialId: credential.id,
      userId,
      name,
      publicKey: Uint8Array.from(credential.publicKey),
      counter: BigInt(credential.counter),
      transports: [...(credential.transports ?? [])].slice(0, 10),
      deviceType,
      backedUp,
      createdAt: this.clock.now(),
    };
  }

  async #record(tx: Tx, userId: string, verb: string, credentialId: string, data: Prisma.InputJsonObject) {
    const line = { tenantId: null, actor: `user:${userId}`, resource: 'passkey', resourceId: publicIdOf(credentialId) };
    await this.audit.record(tx, { ...line, action: `passkey.${verb}`, data });
  }
}
