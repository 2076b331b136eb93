import { Injectable } from '@nestjs/common';
import { Database } from '#libs/database';
import { AuditLog } from '../../audit/audit-log.js';
import { type PasskeyRow, publicIdOf } from './passkeys.repository.js';

/** Leaves a line about a passkey that seems to have been copied. It stays: its owner decides, and still holds the key. */
@Injectable()
export class CloneRefusals {
  constructor(
    private readonly database: Database,
    private readonly audit: AuditLog,
  ) {}

  async record({ credentialId, userId, counter }: PasskeyRow, given: number): Promise<void> {
    const line = { tenantId: null, actor: 'system:sign-in', action: 'passkey.refuse', resource: 'passkey' };
    const data = { userId, reason: 'counter', stored: Number(counter), given };
    await this.database.system((tx) => this.audit.record(tx, { ...line, resourceId: publicIdOf(credentialId), data }));
  }
}
