import { Injectable } from '@nestjs/common';
import { PlatformKeys } from '../secrets/platform-keys.js';
import { AuditChain, type ChainHead, NO_HASH, tenantOf } from './audit-chain.js';
import { AuditChainReader, type ChainState, type StoredLine } from './audit-chain.reader.js';
import { type ChainFault, FAULTS } from './audit-faults.js';

/** A place of a chain that was noted elsewhere: `hash` in hexadecimal digits. */
export interface Anchor {
  readonly seq: bigint;
  readonly hash: string;
}

export interface ChainReport {
  /** The tenant's id, or `platform`. */
  readonly chain: string;
  readonly status: 'intact' | 'broken';
  /** Where the chain ends, to be kept elsewhere as an anchor; hash is null for a chain without lines. */
  readonly seq: number;
  readonly hash: string | null;
  /** Lines that were found to be genuine. */
  readonly lines: number;
  /** Lines from before there was a chain; nothing proves them. */
  readonly unchained: number;
  /** The first place that is not as it was written. */
  readonly fault: ChainFault | null;
}

export interface VerifyOptions {
  readonly anchors?: readonly Anchor[];
  readonly signal?: AbortSignal;
  readonly pageSize?: number;
}

/** Lines in memory at a time; at about 10 microseconds each, other requests wait some milliseconds at most. */
const PAGE_SIZE = 1_000;
/** How far around a wrong line it is looked for where that line was written. */
const REACH = 1_000n;

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

interface Walk {
  readonly end: ChainHead;
  readonly fault?: ChainFault;
}

/** Reads chains as they are in the database and says whether every line is what was written, where it was written. */
@Injectable()
export class AuditVerifier {
  readonly #chain: AuditChain;

  constructor(
    private readonly reader: AuditChainReader,
    keys: PlatformKeys,
  ) {
    this.#chain = new AuditChain(keys);
  }

  /** Every chain there is or must be, the platform's first. */
  chains(): Promise<string[]> {
    return this.reader.chains();
  }

  /** What is appended meanwhile is not looked at. */
  async verify(chain: string, options: VerifyOptions = {}): Promise<ChainReport> {
    const state = await this.reader.state(chain);
    const last = this.#isTrusted(chain, state) ? state.head!.seq : state.last;
    const { end, fault: broken } = await this.#walk(chain, last, options);
    const fault = broken ?? (await this.#faultOfEnd(chain, state, end)) ?? anchorAhead(options.anchors, end);
    return {
      chain,
      status: fault ? 'broken' : 'intact',
      seq: Number(end.seq),
      hash: end.seq === 0n ? null : hex(end.hash),
      lines: Number(end.seq),
      unchained: state.unchained,
      fault: fault ?? null,
    };
  }

  #isTrusted(chain: string, { head }: ChainState): boolean {
    return head !== undefined && head.tenantId === tenantOf(chain) && this.#chain.isSealed(chain, head, head.seal);
  }

  async #walk(chain: string, last: bigint, options: VerifyOptions): Promise<Walk> {
    const anchors = new Map(options.anchors?.map(({ seq, hash }) => [seq, hash]));
    let end: ChainHead = { seq: 0n, hash: NO_HASH };
    for await (const page of this.reader.lines(chain, 0n, last, options.pageSize ?? PAGE_SIZE)) {
      options.signal?.throwIfAborted();
      for (const line of page) {
        const fault = await this.#faultOf(line, end, anchors.get(line.seq));
        if (fault) return { end, fault };
        end = line;
      }
    }
    return end.seq < last ? { end, fault: FAULTS.tailMissing(end.seq + 1n, last) } : { end };
  }

  async #faultOf(line: StoredLine, before: ChainHead, anchor: string | undefined): Promise<ChainFault | undefined> {
    const expected = before.seq + 1n;
    if (line.seq < expected) return FAULTS.repeated(line);
    if (line.seq > expected) return FAULTS.missing(expected, line.seq - 1n);
    if (!this.#chain.isGenuine(before.hash, line, line.hash)) return this.#diagnose(line);
    if (anchor !== undefined && anchor !== hex(line.hash)) return FAULTS.anchorLost(line.seq, line.seq, line);
    return undefined;
  }

  /** A wrong line is either a changed one or a genuine one of another place. */
  async #diagnose(line: StoredLine): Promise<ChainFault> {
    for (const { chain, seq, hash } of await this.reader.otherPlaces(line, REACH))
      // When neighbours changed places, the line before is found at the position of the line itself.
      for (const there of [seq + 1n, seq]) {
        const elsewhere = chain !== line.chain || there !== line.seq;
        if (elsewhere && this.#chain.isGenuine(hash, { ...line, chain, seq: there }, line.hash))
          return FAULTS.moved(line, chain, there);
      }
    return FAULTS.changed(line);
  }

  async #faultOfEnd(chain: string, state: ChainState, end: ChainHead): Promise<ChainFault | undefined> {
    const { head, last, tenantExists, unchained } = state;
    if (!head && last > 0n) return FAULTS.headMissing(last);
    // Making a tenant is its first line, so only one from before the chain may have none.
    if (!head) return tenantExists && unchained === 0 ? FAULTS.chainMissing() : undefined;
    if (!this.#isTrusted(chain, state)) return FAULTS.headForged(head.seq);
    if (hex(head.hash) !== hex(end.hash)) return FAULTS.headForged(head.seq);
    return last > head.seq ? this.#behindHead(chain, head, last) : undefined;
  }

  async #behindHead(chain: string, head: ChainHead, last: bigint): Promise<ChainFault> {
    const { value: page } = await this.reader.lines(chain, head.seq, last, 1).next();
    const line = page?.[0];
    if (!line) return FAULTS.headForged(head.seq); // gone since the state was read
    const follows = line.seq === head.seq + 1n && this.#chain.isGenuine(head.hash, line, line.hash);
    return follows ? FAULTS.headSetBack(line) : FAULTS.inserted(line);
  }
}

function anchorAhead(anchors: readonly Anchor[] | undefined, end: ChainHead): ChainFault | undefined {
  const ahead = anchors?.find((anchor) => anchor.seq > end.seq);
  return ahead && FAULTS.anchorLost(ahead.seq, end.seq);
}
