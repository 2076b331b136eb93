import type { ClientFrame } from '#libs/contracts';
import { FrameInvalid } from '../errors.js';

export type CheckedFrame =
  | {
      readonly type: 'connect';
      readonly id: string;
      readonly token: string | undefined;
      readonly resume: Resume | undefined;
    }
  | { readonly type: 'message'; readonly id: string; readonly fields: Record<string, unknown> }
  | { readonly type: 'abort'; readonly id: string; readonly task: string }
  | { readonly type: 'heartbeat' };
export type Resume = { readonly session: string; readonly after: number };

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

function parse(data: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(data);
  } catch (cause) {
    throw new FrameInvalid('A frame is one JSON object; this is not JSON.', { cause });
  }
  if (!isObject(value)) throw new FrameInvalid('A frame is one JSON object.');
  return value;
}

function textOf(frame: Record<string, unknown>, field: string): string {
  const value = frame[field];
  if (typeof value === 'string' && value !== '' && value.length <= 256) return value;
  throw new FrameInvalid(`This frame needs "${field}", a text of 1 to 256 characters.`);
}

function resumeOf(value: unknown): Resume | undefined {
  if (value === undefined || value === null) return undefined;
  if (isObject(value) && typeof value['session'] === 'string' && Number.isInteger(value['after'])) {
    if (/^[A-Za-z0-9_-]{1,64}$/.test(value['session']) && (value['after'] as number) >= 0) return value as Resume;
  }
  throw new FrameInvalid('"resume" needs "session" and "after", the last sequence number that arrived.');
}

/** The id of a frame that could be read far enough to have one: an error names it. */
export function frameIdOf(data: string): string | undefined {
  try {
    const { id } = parse(data);
    return typeof id === 'string' ? id.slice(0, 256) : undefined;
  } catch (error) {
    if (error instanceof FrameInvalid) return undefined;
    throw error;
  }
}

export function checkFrame(data: string): CheckedFrame {
  const frame = parse(data);
  switch (frame['type'] as ClientFrame['type']) {
    case 'connect': {
      const token = frame['token'] === undefined ? undefined : frame['token'];
      if (token !== undefined && typeof token !== 'string') throw new FrameInvalid('"token" must be a text.');
      return { type: 'connect', id: textOf(frame, 'id'), token, resume: resumeOf(frame['resume']) };
    }
    case 'message':
      textOf(frame, 'idempotencyKey');
      return { type: 'message', id: textOf(frame, 'id'), fields: frame };
    case 'abort':
      return { type: 'abort', id: textOf(frame, 'id'), task: textOf(frame, 'task') };
    case 'heartbeat':
      return { type: 'heartbeat' };
    default:
      throw new FrameInvalid('"type" must be connect, message, abort or heartbeat.');
  }
}
