export * from './backup-config.js';
export * from './control-plane-config.js';
export * from './errors.js';
export * from './mail-config.js';
export * from './master-key-config.js';
export * from './provisioning-config.js';
export { EnvironmentReader, readSecretFile } from './reader.js';
