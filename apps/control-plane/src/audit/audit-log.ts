import { Injectable } from '@nestjs/common';
import type { Prisma, Tx } from '#libs/database';
import { Ids } from '#libs/kernel';

export interface AuditLine {
  readonly tenantId: string;
  /** `key:<id>`, `user:<id>` or `system:<part>`. */
  readonly actor: string;
  /** `resource.verb`. */
  readonly action: string;
  readonly resource: string;
  readonly resourceId: string;
  /** What changed; never a secret. */
  readonly data: Prisma.InputJsonObject;
  readonly requestId?: string | undefined;
}

/** Who did what, in the same transaction as the change: no change without its line, no line without its change. */
@Injectable()
export class AuditLog {
  constructor(private readonly ids: Ids) {}

  async record(tx: Tx, line: AuditLine): Promise<void> {
    await tx.auditEntry.create({
      data: { ...line, id: this.ids.next('audit'), requestId: line.requestId ?? null },
      select: { id: true },
    });
  }
}
