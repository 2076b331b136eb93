export * from './errors.js';
export * from './gateway-runtime.js';
