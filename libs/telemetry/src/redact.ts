/** Parts of key names whose values never reach a log, compared without case, dashes and underscores. */
const SECRET_NAMES = [
  'authorization',
  'cookie',
  'password',
  'token',
  'apikey',
  'secret',
  'privatekey',
  'masterkey',
  'credential',
];
/** Names that contain a secret word and hold none. */
const HARMLESS = new Set(['inputtokens', 'outputtokens', 'maxoutputtokens', 'credentialsha256']);

export const REDACTED = '[redacted]';
/** Beyond these a log line is cut: logging must never be what exhausts a process. */
export const LOG_LIMITS = { depth: 6, keys: 64, items: 64, text: 4_096 } as const;

const isSecretName = (name: string): boolean => {
  const plain = name.toLowerCase().replaceAll(/[-_]/g, '');
  return !HARMLESS.has(plain) && SECRET_NAMES.some((secret) => plain.includes(secret));
};

/** Wirebot's own credentials, private keys, bearer headers and JWTs are recognised wherever they stand in a text. */
const SECRET_TEXT =
  /-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?(?:-----END [A-Z ]*PRIVATE KEY-----|$)|\b(?:wb[tok]_[A-Za-z0-9]+_[\w-]+|wb[gci]_[\w-]{16,}|AGE-SECRET-KEY-1[0-9A-Z]{16,}|hvs\.[\w-]{16,}|eyJ[\w-]{8,}\.[\w-]+\.[\w-]+|sk-[\w-]{16,})|(?<=\bBearer )[\w.~+/=-]{8,}|(?<=:\/\/[^\s:/@]{1,64}:)[^\s@/]+(?=@)/g;

export function redactText(text: string): string {
  const short = text.length > LOG_LIMITS.text ? `${text.slice(0, LOG_LIMITS.text)}… (${text.length} characters)` : text;
  return short.replaceAll(SECRET_TEXT, REDACTED);
}

/** A copy fit for a log line: secrets replaced by name and by shape, depth and size bounded, cycles cut by depth. */
export function redact(value: unknown, depth: number = LOG_LIMITS.depth): unknown {
  if (typeof value === 'string') return redactText(value);
  if (typeof value === 'bigint') return value.toString();
  if (typeof value === 'function' || typeof value === 'symbol') return undefined;
  if (typeof value !== 'object' || value === null) return value;
  if (value instanceof Date) return value;
  if (value instanceof Error) return serializeError(value, depth);
  if (ArrayBuffer.isView(value)) return `[${value.byteLength} bytes]`;
  if (depth <= 0) return '[deeper]';
  if (Array.isArray(value)) return value.slice(0, LOG_LIMITS.items).map((item) => redact(item, depth - 1));
  return redactEntries(Object.entries(value), depth);
}

function redactEntries(entries: [string, unknown][], depth: number): Record<string, unknown> {
  const copy: Record<string, unknown> = {};
  for (const [key, inner] of entries.slice(0, LOG_LIMITS.keys))
    copy[key] = isSecretName(key) ? REDACTED : redact(inner, depth - 1);
  return copy;
}

/** Properties of errors that are worth a log line; everything else may carry requests, queries or values. */
const ERROR_FIELDS = [
  'code',
  'kind',
  'status',
  'statusCode',
  'retryable',
  'retryAfter',
  'errors',
  'syscall',
  'meta',
] as const;

/** Name, message, stack and cause chain of an error, without secrets and without unknown properties. */
export function serializeError(error: unknown, depth: number = LOG_LIMITS.depth): unknown {
  if (!(error instanceof Error)) return redact(error, depth);
  const plain: Record<string, unknown> = { name: error.name, message: redactText(error.message) };
  for (const field of ERROR_FIELDS) {
    const value = (error as unknown as Record<string, unknown>)[field];
    if (value !== undefined) plain[field] = redact(value, depth - 1);
  }
  if (error.stack) plain['stack'] = redactText(error.stack);
  if (error.cause !== undefined) plain['cause'] = depth > 0 ? serializeError(error.cause, depth - 1) : '[deeper]';
  return plain;
}
