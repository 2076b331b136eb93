import { readFile } from 'node:fs/promises';
import { pipeline } from 'node:stream/promises';
import { parseArgs } from 'node:util';
import { Injectable } from '@nestjs/common';
import { Database } from '#libs/database';
import { PLATFORM_CHAIN } from './audit-chain.js';
import { parseAnchor } from './audit-verification.service.js';
import { type Anchor, AuditVerifier, type ChainReport } from './audit-verifier.js';
import { AuditService } from './audit.service.js';
import { EXPORT_FORMATS, type ExportFormat } from './dto/audit-query.dto.js';
import { ANCHOR_PATTERN } from './dto/verify-audit.dto.js';

export const AUDIT_HELP = `wirebot audit verify [--tenant <slug> | --platform | --all] [--anchor <seq:hash>] [--anchors <file>] [--json]
wirebot audit export --tenant <slug> | --platform [--format jsonl|csv]

verify   reads every line of every chain (or of the one named) and prints where it ends: seq:hash is an anchor. Keep it
         where whoever can write to the database cannot; with --anchor (one chain) or --anchors (a file that an earlier
         verify --json printed) a chain that was set back or rewritten since is found, too. Exits with 1 when one is broken.
export   writes the log to the standard output, oldest line first.
`;

const OPTIONS = {
  tenant: { type: 'string' },
  platform: { type: 'boolean' },
  all: { type: 'boolean' },
  anchor: { type: 'string' },
  anchors: { type: 'string' },
  json: { type: 'boolean' },
  format: { type: 'string' },
  help: { type: 'boolean', short: 'h' },
} as const;

type Options = ReturnType<typeof parse>['values'];
const parse = (words: readonly string[]) =>
  parseArgs({ args: [...words], options: OPTIONS, allowPositionals: true, strict: true });

/** A wrong command line; its text is for whoever typed it. */
export class Usage extends Error {}

/** `wirebot audit …`: resolves with the exit code. */
@Injectable()
export class AuditCommand {
  constructor(
    private readonly database: Database,
    private readonly verifier: AuditVerifier,
    private readonly audit: AuditService,
  ) {}

  async run(words: readonly string[], out: NodeJS.WritableStream): Promise<number> {
    const { values, positionals } = parse(words);
    const [verb, ...rest] = positionals;
    if (rest.length > 0) throw new Usage(`I do not know what "${rest[0]}" means here.`);
    if (verb === 'verify') return this.#verify(values, out);
    if (verb === 'export') return this.#export(values, out);
    throw new Usage(`Say what to do: verify or export.`);
  }

  async #verify(values: Options, out: NodeJS.WritableStream): Promise<number> {
    const one = await this.#chain(values);
    if (values.anchor !== undefined && one === undefined)
      throw new Usage('--anchor is of one chain: name it with --tenant or --platform.');
    const anchors = await anchorsOf(values, one);
    const names = await this.#names();
    let code = 0;
    for (const chain of one === undefined ? await this.verifier.chains() : [one]) {
      const report = await this.verifier.verify(chain, { anchors: anchors.get(chain) ?? [] });
      out.write(values.json ? `${JSON.stringify(report)}\n` : textOf(report, names.get(chain) ?? chain));
      if (report.fault) code = 1;
    }
    return code;
  }

  async #export(values: Options, out: NodeJS.WritableStream): Promise<number> {
    const tenantId = await this.#chain(values);
    const format = EXPORT_FORMATS.find((known) => known === (values.format ?? 'jsonl'));
    if (tenantId === undefined) throw new Usage('Say whose log: --tenant <slug> or --platform.');
    if (format === undefined) throw new Usage(`--format is one of ${EXPORT_FORMATS.join(', ')}.`);
    const wanted: { format: ExportFormat; actorOfExport: string } = { format, actorOfExport: 'system:command' };
    const stream = await this.audit.export({ by: 'operator', tenantId }, wanted, new AbortController().signal);
    await pipeline(stream, out, { end: false });
    return 0;
  }

  /** The chain that is named; undefined for all. */
  async #chain({ tenant, platform, all }: Options): Promise<string | undefined> {
    if ([tenant !== undefined, platform, all].filter(Boolean).length > 1)
      throw new Usage('--tenant, --platform and --all exclude each other.');
    if (platform) return PLATFORM_CHAIN;
    if (tenant === undefined) return undefined;
    const row = await this.database.system((tx) => tx.tenant.findUnique({ where: { slug: tenant } }));
    if (!row) throw new Usage(`There is no tenant with the slug "${tenant}".`);
    return row.id;
  }

  async #names(): Promise<Map<string, string>> {
    const rows = await this.database.system((tx) => tx.tenant.findMany({ select: { id: true, slug: true } }));
    return new Map(rows.map(({ id, slug }) => [id, slug]));
  }
}

/** Anchors by chain. */
async function anchorsOf(values: Options, one: string | undefined): Promise<Map<string, Anchor[]>> {
  const anchors = new Map<string, Anchor[]>();
  const add = (chain: string, text: string) => {
    if (!ANCHOR_PATTERN.test(text)) throw new Usage(`"${text}" is no anchor: it is <seq>:<hash> as verify prints it.`);
    anchors.set(chain, [...(anchors.get(chain) ?? []), parseAnchor(text)]);
  };
  if (values.anchor !== undefined && one !== undefined) add(one, values.anchor);
  if (values.anchors === undefined) return anchors;
  const lines = (await readFile(values.anchors, 'utf8')).split('\n').filter((line) => line.trim() !== '');
  for (const line of lines) {
    const { chain, seq, hash } = JSON.parse(line) as ChainReport;
    if (hash !== null) add(chain, `${seq}:${hash}`);
  }
  return anchors;
}

function textOf(report: ChainReport, name: string): string {
  const { chain, seq, hash, unchained, fault } = report;
  const before = unchained > 0 ? `, ${unchained} from before the chain` : '';
  const label = name === chain ? chain : `${name} (${chain})`;
  if (fault) return `BROKEN  ${label} at line ${fault.seq}: ${fault.detail} Genuine up to ${seq}.\n`;
  return `intact  ${label}: ${seq} ${String(seq) === '1' ? 'line' : 'lines'}${before}${hash === null ? '' : `  ${seq}:${hash}`}\n`;
}
