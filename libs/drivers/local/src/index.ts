export * from './local-driver.js';
