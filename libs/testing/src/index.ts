export * from './model-api.js';
export * from './postgres.js';
export * from './redis.js';
export * from './gateway-driver-contract.js';
export * from './gateway-driver-lab.js';
export * from './cgroup-limits.js';
export * from './token-forge.js';
export { S3Api, type S3Fault, type S3Operation } from './s3-api.js';
