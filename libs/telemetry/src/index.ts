export * from './logger.js';
export * from './metrics.js';
export { redact, redactText, serializeError } from './redact.js';
