export * from './model-api.js';
export * from './postgres.js';
export * from './redis.js';
