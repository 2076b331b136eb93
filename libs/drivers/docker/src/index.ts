export * from './docker.driver.js';
export type { EngineAddress } from './engine-address.js';
