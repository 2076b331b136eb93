export * from './errors.js';
export * from './gateway-driver.js';
