export * from './api.js';
export * from './frames.js';
export * from './gateway.js';
export * from './routes.js';
export * from './usage.js';
export * from './trust.js';
