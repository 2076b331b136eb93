export * from './change-notifier.js';
export * from './coordination.js';
export * from './counters.js';
export * from './errors.js';
export type { CoordinationErrorHandler, Unsubscribe } from './supervised.js';
export * from './wake-queue.js';
