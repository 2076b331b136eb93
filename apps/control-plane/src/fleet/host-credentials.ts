import { Injectable } from '@nestjs/common';
import { Database, type Tx } from '#libs/database';
import type { HostCredentials } from '#libs/drivers/core';
import { Vault } from '../secrets/vault.js';

const contextOf = (hostId: string): string => `host-credential/${hostId}`;

/** What authenticates to hosts' engines: sealed at rest, read by drivers only, never shown. */
@Injectable()
export class HostCredentialStore {
  constructor(
    private readonly database: Database,
    private readonly vault: Vault,
  ) {}

  async read(hostId: string): Promise<HostCredentials> {
    const row = await this.database.once((client) => client.hostCredential.findUnique({ where: { hostId } }));
    if (!row) return {};
    return JSON.parse((await this.vault.open(row.sealed, contextOf(hostId))).toString()) as HostCredentials;
  }

  /** Seal it before the transaction: keys may have to be made. */
  async seal(hostId: string, credentials: HostCredentials): Promise<Uint8Array<ArrayBuffer>> {
    return (await this.vault.seal(null, JSON.stringify(credentials), contextOf(hostId))).sealed;
  }

  async put(tx: Tx, hostId: string, sealed: Uint8Array<ArrayBuffer>): Promise<void> {
    await tx.hostCredential.upsert({ where: { hostId }, create: { hostId, sealed }, update: { sealed } });
  }
}
