export * from './change-notifier.js';
export * from './coordination.js';
export * from './counters.js';
export * from './create-coordination.js';
export * from './errors.js';
export type { CoordinationErrorHandler } from './supervised.js';
export * from './wake-queue.js';
