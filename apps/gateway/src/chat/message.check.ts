import { CHAT_LIMITS } from '#libs/contracts';
import { AttachmentsUnsupported, RequestInvalid, TextTooLong } from '../errors.js';
import { LIMITS } from '../limits.js';

/** A message as it comes over any wire, before anything is known about it. */
export interface MessageFields {
  readonly text?: unknown;
  readonly session?: unknown;
  readonly idempotencyKey?: unknown;
  readonly attachments?: unknown;
}

export interface CheckedMessage {
  readonly text: string;
  readonly session: string | undefined;
  readonly idempotencyKey: string | undefined;
}

export const SESSION_ID = /^[A-Za-z0-9_-]{1,64}$/;
const KEY = new RegExp(`^[\\x21-\\x7e]{1,${LIMITS.idempotencyKey}}$`);

export const isSessionId = (value: unknown): value is string => typeof value === 'string' && SESSION_ID.test(value);

/** Every rule about the shape of a message, for sockets and HTTP alike. Names the field, never its value. */
export function checkMessage(fields: MessageFields): CheckedMessage {
  const { text, session, idempotencyKey, attachments } = fields;
  const errors = [
    ...(typeof text === 'string' && text.trim() !== '' ? [] : [{ field: 'text', message: 'must be a text' }]),
    ...(session === undefined || isSessionId(session)
      ? []
      : [{ field: 'session', message: 'must be 1 to 64 letters, digits, - or _' }]),
    ...(idempotencyKey === undefined || (typeof idempotencyKey === 'string' && KEY.test(idempotencyKey))
      ? []
      : [{ field: 'idempotencyKey', message: `must be 1 to ${LIMITS.idempotencyKey} visible ASCII characters` }]),
  ];
  if (errors.length > 0) {
    const names = errors.map((error) => `${error.field} ${error.message}`).join('; ');
    throw new RequestInvalid(`The message is not valid: ${names}.`, errors);
  }
  if ((text as string).length > CHAT_LIMITS.text) throw new TextTooLong(CHAT_LIMITS.text);
  if (Array.isArray(attachments) ? attachments.length > 0 : attachments !== undefined)
    throw new AttachmentsUnsupported();
  return {
    text: text as string,
    session: session as string | undefined,
    idempotencyKey: idempotencyKey as string | undefined,
  };
}
