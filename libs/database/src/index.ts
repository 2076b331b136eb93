export * from './database.js';
export * from './lease.js';
export * from './leadership.js';
