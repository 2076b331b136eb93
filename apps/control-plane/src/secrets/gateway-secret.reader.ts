import { Injectable } from '@nestjs/common';
import { Database } from '#libs/database';
import { Log } from '../log.js';
import { secretContext } from './secret-rules.js';
import { SealedUnreadable } from './secrets.errors.js';
import { Vault } from './vault.js';

export interface SecretsHolder {
  readonly id: string;
  readonly tenantId: string;
  readonly memberId: string;
}

/** A stored value with its place; `sealed` is under the tenant's data key. */
interface Stored {
  readonly tenantId: string;
  readonly memberId: string | null;
  readonly purpose: string;
  readonly name: string;
  readonly sealed: Uint8Array;
}

/**
 * Files for agents: what a tenant or member stored for the purpose `gateway`, as `agents/<agent>.d/<name>` in the secrets
 * directory of the gateway, which is held in memory. A member's own value comes before the tenant's of the same name.
 */
@Injectable()
export class GatewaySecretReader {
  constructor(
    private readonly database: Database,
    private readonly vault: Vault,
    private readonly log: Log,
  ) {}

  async files(agents: readonly SecretsHolder[]): Promise<Record<string, string>> {
    const stored = await this.#stored(agents);
    const files: Record<string, string> = {};
    for (const row of stored) {
      const value = await this.#open(row);
      const holders = agents.filter(
        (agent) => agent.tenantId === row.tenantId && (row.memberId === null || agent.memberId === row.memberId),
      );
      if (value !== undefined) for (const agent of holders) files[`agents/${agent.id}.d/${row.name}`] = value;
    }
    return files;
  }

  /** The tenants' own first, so that members' overwrite them. */
  async #stored(agents: readonly SecretsHolder[]): Promise<Stored[]> {
    if (agents.length === 0) return [];
    const tenants = [...new Set(agents.map((agent) => agent.tenantId))];
    const members = agents.map((agent) => agent.memberId);
    const rows = await this.database.system((tx) =>
      tx.secret.findMany({
        where: {
          purpose: 'gateway',
          tenantId: { in: tenants },
          OR: [{ memberId: null }, { memberId: { in: members } }],
        },
        select: { tenantId: true, memberId: true, purpose: true, name: true, sealed: true },
      }),
    );
    const owned = rows.map((row) => ({ ...row, tenantId: row.tenantId! }));
    return owned.toSorted((a, b) => Number(a.memberId !== null) - Number(b.memberId !== null));
  }

  /** One value that was tampered with does not keep a whole gateway from its others. A Vault that is away is another matter. */
  async #open({ sealed, ...place }: Stored): Promise<string | undefined> {
    try {
      return (await this.vault.open(sealed, secretContext(place))).toString();
    } catch (err) {
      if (!(err instanceof SealedUnreadable)) throw err;
      const { tenantId, memberId, name } = place;
      this.log.error({ tenantId, memberId, file: name, err }, 'a stored value cannot be opened; its file is left out');
      return undefined;
    }
  }
}
