import type { QuotaAmount } from '#libs/contracts';
import { priceOf } from '#libs/providers';
import { fields, type Fields } from './usage-counts.js';

/** What a call may take before it is made. Reserving errs upwards: what was not used comes back with the real counts. */
export const ESTIMATE = {
  /** Bytes of request text per token: usual, and at the least in real text of any script. */
  bytesPerToken: 4,
  fewestBytesPerToken: 3,
  /** A provider's own words around tools. */
  toolTokens: 500,
  /** Of one picture, at the highest resolution. */
  imageTokens: 5_000,
  /** A document that the provider fetches itself: its size is not in the request. */
  referredDocumentTokens: 100_000,
  /** Output of a call that names no limit. */
  unboundedOutput: 8_192,
  /** No model writes more in one answer. */
  mostOutput: 200_000,
  /** Input of a body too large to look into; base64 of pictures makes nearly all of such bodies. */
  mostUnreadInput: 200_000,
} as const;

export interface CallEstimate {
  readonly model: string;
  /** The likely input, for records of calls whose counts never arrive. */
  readonly inputTokens: number;
  /** What is set aside for it. */
  readonly reserve: QuotaAmount;
}

/**
 * @param body the whole body, when it was looked into.
 * @param length its size in bytes; -1 when it is not known.
 * @param model the agent's, for a body that names none.
 */
export function estimateCall(body: Buffer | undefined, length: number, model: string): CallEstimate {
  const document = body && decode(body);
  if (!document) {
    const bytes = length < 0 ? Number.MAX_SAFE_INTEGER : length;
    const input = (perToken: number) => Math.min(ESTIMATE.mostUnreadInput, Math.ceil(bytes / perToken));
    const most = input(ESTIMATE.fewestBytesPerToken);
    return {
      model,
      inputTokens: input(ESTIMATE.bytesPerToken),
      reserve: amountOf(model, most, ESTIMATE.unboundedOutput, 1),
    };
  }
  const named = document['model'];
  const asked = typeof named === 'string' && named !== '' ? named.slice(0, 128) : model;
  const media = mediaOf(document);
  const extra = media.tokens + (Array.isArray(document['tools']) ? ESTIMATE.toolTokens : 0);
  const text = Math.max(0, body.length - media.bytes);
  const input = (perToken: number) => Math.ceil(text / perToken) + extra;
  return {
    model: asked,
    inputTokens: input(ESTIMATE.bytesPerToken),
    reserve: amountOf(asked, input(ESTIMATE.fewestBytesPerToken), outputLimit(document), cacheFactor(body, asked)),
  };
}

function amountOf(model: string, input: number, output: number, factor: number): QuotaAmount {
  const price = priceOf(model);
  const micros = price ? Math.ceil(input * price.input * factor + output * price.output) : 0;
  return { tokens: input + output, micros };
}

/** Input that is written to a cache costs more than plain input. */
function cacheFactor(body: Buffer, model: string): number {
  if (!body.includes('"cache_control"')) return 1;
  const price = priceOf(model);
  return (body.includes('"1h"') ? price?.cacheWriteHour : price?.cacheWrite) ?? 1;
}

function outputLimit(document: Fields): number {
  const asked = document['max_completion_tokens'] ?? document['max_tokens'];
  const one = isCount(asked) ? Math.min(asked, ESTIMATE.mostOutput) : ESTIMATE.unboundedOutput;
  const choices = document['n'];
  return one * (isCount(choices) ? Math.min(choices, 128) : 1);
}

const isCount = (value: unknown): value is number => Number.isInteger(value) && (value as number) > 0;

/** Pictures and documents: their base64 is not text, and what they take does not follow from its length. */
function mediaOf(document: Fields): { bytes: number; tokens: number } {
  const found = { bytes: 0, tokens: 0 };
  const pending: unknown[] = [document['messages'], document['system']];
  while (pending.length > 0) {
    const value = pending.pop();
    if (Array.isArray(value)) {
      for (const item of value as unknown[]) pending.push(item);
    } else {
      const part = fields(value);
      if (part && !countMedia(part, found)) pending.push(part['content']);
    }
  }
  return found;
}

function countMedia(part: Fields, found: { bytes: number; tokens: number }): boolean {
  const type = part['type'];
  if (type === 'image' || type === 'image_url') {
    found.bytes += inlineLength(part);
    found.tokens += ESTIMATE.imageTokens;
    return true;
  }
  if (type !== 'document' && type !== 'file' && type !== 'input_audio') return false;
  // Inline, its own size bounds it; it stays counted as text.
  if (inlineLength(part) === 0 && fields(part['source'])?.['type'] !== 'text') {
    found.tokens += ESTIMATE.referredDocumentTokens;
  }
  return true;
}

/** Characters of base64 in a part of either format. */
function inlineLength(part: Fields): number {
  const source = fields(part['source'])?.['data'] ?? fields(part['input_audio'])?.['data'];
  const file = fields(part['file'])?.['file_data'];
  const url = fields(part['image_url'])?.['url'];
  const inline = source ?? file ?? (typeof url === 'string' && url.startsWith('data:') ? url : '');
  return typeof inline === 'string' ? inline.length : 0;
}

function decode(body: Buffer): Fields | undefined {
  try {
    return fields(JSON.parse(body.toString('utf8')));
  } catch {
    // The provider will say what is wrong with it.
    return undefined;
  }
}
