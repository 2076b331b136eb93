export * from './control-plane-config.js';
export * from './errors.js';
export { EnvironmentReader, readSecretFile } from './reader.js';
