import type { LoggerService } from '@nestjs/common';
import type { Logger } from '#libs/telemetry';
import { currentRequest } from './request-context.js';

type Level = 'info' | 'error' | 'warn' | 'debug' | 'trace' | 'fatal';

/** Nest's own start-up lines, one per module and route: of use only when looking for a fault. */
const FRAMEWORK = new Set([
  'InstanceLoader',
  'RoutesResolver',
  'RouterExplorer',
  'WebSocketsController',
  'NestFactory',
  'NestApplication',
]);

/**
 * Nest's logging on pino, with the request id of whatever request is being served. Features log by
 * `new Logger('context')` from @nestjs/common: `logger.log({ msg: 'event phrase', ...fields })`; errors go under `err`.
 */
export class NestLogger implements LoggerService {
  constructor(private readonly logger: Logger) {}

  log(message: unknown, ...rest: unknown[]): void {
    this.#write(FRAMEWORK.has(rest.at(-1) as string) ? 'debug' : 'info', message, rest);
  }
  error(message: unknown, ...rest: unknown[]): void {
    this.#write('error', message, rest);
  }
  warn(message: unknown, ...rest: unknown[]): void {
    this.#write('warn', message, rest);
  }
  debug(message: unknown, ...rest: unknown[]): void {
    this.#write('debug', message, rest);
  }
  verbose(message: unknown, ...rest: unknown[]): void {
    this.#write('trace', message, rest);
  }
  fatal(message: unknown, ...rest: unknown[]): void {
    this.#write('fatal', message, rest);
  }

  /** Nest passes the context last; `error` may have a stack or fields before it. */
  #write(level: Level, message: unknown, rest: readonly unknown[]): void {
    const texts = rest.filter((value) => typeof value === 'string');
    const fields: Record<string, unknown> = { requestId: currentRequest()?.requestId, context: texts.at(-1) };
    if (texts.length > 1) fields['stack'] = texts[0];
    for (const value of rest)
      if (typeof value === 'object') Object.assign(fields, value instanceof Error ? { err: value } : value);
    if (message instanceof Error) this.logger[level]({ ...fields, err: message }, message.message);
    else if (typeof message === 'object') this.logger[level]({ ...fields, ...message });
    else this.logger[level](fields, String(message));
  }
}
