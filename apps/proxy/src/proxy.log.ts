import { createLogger, type Logger } from '#libs/telemetry';
import type { ProxyConfig } from './proxy.config.js';

/** JSON lines on stdout. Callers log event phrases and chosen fields only: never a header, a query string or a body. */
export const createLog = (level: ProxyConfig['logLevel']): Logger => createLogger({ name: 'proxy', level });

export type { Logger };
