export * from './backoff.js';
export * from './colour.js';
export * from './dom.js';
export * from './icons.js';
export * from './request.js';
