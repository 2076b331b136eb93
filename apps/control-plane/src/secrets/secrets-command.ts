import { parseArgs } from 'node:util';
import { Injectable } from '@nestjs/common';
import { ControlPlaneConfig } from '#libs/config';
import { Database } from '#libs/database';
import { AuditLog } from '../audit/audit-log.js';
import { rotateBrokerKey } from './broker-key-files.js';
import { FileSource } from './master-keys/file.source.js';
import { MasterKeys } from './master-keys/master-keys.js';
import { DataKeyRotation } from './rotation/data-key-rotation.js';
import { MasterKeyRotation } from './rotation/master-key-rotation.js';

export const SECRETS_HELP = `Usage: npm run wirebot -- secrets <command>

  status                                which master key wraps how many data keys
  rotate-master                         a new master key; every data key is wrapped anew
    --rewrap-only                       no new key: wrap everything under the one that is configured
    --prepare                           only write a new key beside the others, to be copied to every machine
    --to <id>                           make a prepared key the one that wraps, then wrap everything anew
  rotate-data-keys                      new data keys for the platform and every tenant; everything is encrypted again
    --tenant <id or slug> | --platform  only these
  broker-key --private <file> --public <file>
                                        a new key pair of the model broker; run it on the proxy's machine

Each can be interrupted and run again; running processes need no restart.
`;

export class Usage extends Error {}

const ACTOR = 'system:command';

type Say = (line: string) => void;

/** The operator's side of keys. Says what it does, line by line; never a key. */
@Injectable()
export class SecretsCommand {
  constructor(
    private readonly config: ControlPlaneConfig,
    private readonly database: Database,
    private readonly masterKeys: MasterKeys,
    private readonly master: MasterKeyRotation,
    private readonly dataKeys: DataKeyRotation,
    private readonly audit: AuditLog,
  ) {}

  async run(words: readonly string[], say: Say): Promise<void> {
    const [command, ...args] = words;
    if (command === 'status') return this.#status(say);
    if (command === 'rotate-master') return this.#rotateMaster(args, say);
    if (command === 'rotate-data-keys') return this.#rotateDataKeys(args, say);
    if (command === 'broker-key') return brokerKey(args, say);
    throw new Usage(`I do not know "${command ?? ''}".`);
  }

  async #status(say: Say): Promise<void> {
    const current = await this.masterKeys.currentId();
    say(`source        ${this.config.masterKeys.source}`);
    say(`wraps now     ${current}`);
    for (const { masterId, dataKeys } of await this.master.wrappedBy())
      say(
        `data keys     ${dataKeys} under ${masterId}${masterId === current ? '' : '  (rotate-master --rewrap-only)'}`,
      );
    const retired = await this.database.raw.dataKey.count({ where: { retiredAt: { not: null } } });
    say(`retired       ${retired}`);
  }

  async #rotateMaster(args: readonly string[], say: Say): Promise<void> {
    const options = {
      'rewrap-only': { type: 'boolean' },
      prepare: { type: 'boolean' },
      to: { type: 'string' },
    } as const;
    const { values } = parseArgs({ args: [...args], options });
    if (Object.keys(values).length > 1) throw new Usage('Take one of --rewrap-only, --prepare and --to.');
    if (values.prepare) {
      const id = await this.#files().prepare();
      say(
        `Written: master-key.${id} in ${this.config.secretsDir}. Copy it to every machine, then: rotate-master --to ${id}`,
      );
      return;
    }
    if (!values['rewrap-only']) {
      const id = values.to ? await this.#files().promote(values.to) : await this.masterKeys.rotate();
      await this.#record('master-key.rotate', id, {});
      say(`Master key ${id} wraps from now on.`);
    }
    await this.#rewrap(say);
  }

  async #rewrap(say: Say): Promise<void> {
    const count = await this.master.rewrap();
    say(`Data keys wrapped anew: ${count}.`);
    const current = await this.masterKeys.currentId();
    const others = (await this.master.wrappedBy()).filter((entry) => entry.masterId !== current);
    for (const { masterId, dataKeys } of others)
      say(
        `Data keys still under ${masterId}: ${dataKeys}. A process wraps with that one. Start it anew, then --rewrap-only.`,
      );
    if (others.length === 0)
      say('No data key needs an older master key any more. Keep older ones as long as backups from before now.');
  }

  async #rotateDataKeys(args: readonly string[], say: Say): Promise<void> {
    const options = { tenant: { type: 'string' }, platform: { type: 'boolean' } } as const;
    const { values } = parseArgs({ args: [...args], options });
    if (values.tenant && values.platform) throw new Usage('Take one of --tenant and --platform.');
    const owners = values.platform
      ? [null]
      : values.tenant
        ? [await this.#tenantId(values.tenant)]
        : await this.dataKeys.owners();
    for (const owner of owners) {
      const id = await this.dataKeys.renew(owner);
      await this.#record('data-key.rotate', id, { tenantId: owner });
    }
    say(`New data keys: ${owners.length}.`);
    const { resealed, unreadable } = await this.dataKeys.reseal();
    say(`${resealed} value(s) encrypted again.`);
    if (unreadable > 0) say(`${unreadable} value(s) cannot be opened and stay as they are: they were damaged.`);
    const deleted = await this.dataKeys.deleteUnused();
    say(`Retired data keys deleted: ${deleted}; the others follow two days after they were retired.`);
  }

  async #tenantId(named: string): Promise<string> {
    const where = { OR: [{ id: named }, { slug: named }] };
    const tenant = await this.database.raw.tenant.findFirst({ where, select: { id: true } });
    if (!tenant) throw new Usage(`There is no tenant "${named}".`);
    return tenant.id;
  }

  /** Keys in files are prepared and promoted; other sources have their own ways. */
  #files(): FileSource {
    if (this.config.masterKeys.source !== 'file')
      throw new Usage(
        `--prepare and --to are for master keys in files; this one comes from: ${this.config.masterKeys.source}.`,
      );
    return new FileSource(this.config.secretsDir);
  }

  async #record(action: string, resourceId: string, data: { readonly tenantId?: string | null }): Promise<void> {
    const [resource] = action.split('.') as [string];
    await this.database.system((tx) =>
      this.audit.record(tx, { tenantId: null, actor: ACTOR, action, resource, resourceId, data }),
    );
  }
}

async function brokerKey(args: readonly string[], say: Say): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: { private: { type: 'string' }, public: { type: 'string' } },
  });
  if (!values.private || !values.public) throw new Usage('broker-key needs --private <file> and --public <file>.');
  const { kid, kept } = await rotateBrokerKey(values.private, values.public);
  say(`The model broker's key is ${kid} from now on; ${kept} older one(s) can still open.`);
  say(
    `${values.public} is for the control plane: copy it to WIREBOT_SECRETS_DIR/broker-public.json where that is another machine.`,
  );
}
