export * from './compact.js';
export * from './errors.js';
export * from './issue.js';
export * from './site-token.js';
export * from './verify.js';
