export * from './wirebot-runtime.js';
