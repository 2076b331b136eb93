export * from './errors.js';
export * from './gateway-driver.js';
export * from './process-identity.js';
export * from './gateway-id.js';
export * from './host-directories.js';
export * from './state-directories.js';
