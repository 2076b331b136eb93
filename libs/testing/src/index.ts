export * from './model-api.js';
export * from './postgres.js';
export * from './redis.js';
export * from './gateway-driver-contract.js';
export * from './gateway-driver-lab.js';
export * from './cgroup-limits.js';
export * from './token-forge.js';
