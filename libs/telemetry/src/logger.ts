import { type DestinationStream, type Logger, pino, stdTimeFunctions } from 'pino';
import { redact, redactText } from './redact.js';

export type { Logger } from 'pino';
export const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

export interface LoggerOptions {
  /** Names the process: `control-plane`, `proxy`. */
  readonly name: string;
  readonly level?: LogLevel;
  readonly fields?: Record<string, unknown>;
  /** Tests only; standard output otherwise. */
  readonly destination?: DestinationStream;
}

/**
 * JSON lines on standard output. A line is an event phrase plus fields: `logger.info({ tenantId }, 'member upserted')`.
 * Every field passes through `redact`; errors go under `err` and keep code and cause chain.
 */
export function createLogger(options: LoggerOptions): Logger {
  const logger = pino(
    {
      name: options.name,
      level: options.level ?? 'info',
      base: { pid: process.pid, ...options.fields },
      timestamp: stdTimeFunctions.isoTime,
      formatters: {
        level: (label) => ({ level: label }),
        bindings: (bindings) => redact(bindings) as Record<string, unknown>,
        log: (fields) => redact(fields) as Record<string, unknown>,
      },
      // Errors were made plain by `redact` already; pino's own serializer would drop the cause chain.
      serializers: { err: (error: unknown) => error },
      hooks: {
        logMethod(parameters, method) {
          const safe = parameters.map((value) => (typeof value === 'string' ? redactText(value) : value));
          method.apply(this, safe as Parameters<typeof method>);
        },
      },
    },
    options.destination ?? pino.destination({ dest: 1, sync: true }),
  );
  // pino does not apply the bindings formatter to children; they inherit this method by prototype.
  const child = logger.child;
  logger.child = function (this: Logger, bindings: Record<string, unknown>, ...rest: never[]) {
    return child.call(this, redact(bindings) as Record<string, unknown>, ...rest);
  } as typeof logger.child;
  return logger;
}
