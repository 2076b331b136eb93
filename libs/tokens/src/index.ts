export * from './errors.js';
export * from './issue.js';
export * from './verify.js';
