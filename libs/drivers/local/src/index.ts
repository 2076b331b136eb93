export { containerUser, createLocalDriver } from './local-driver.js';
export { createHostDriver } from './host-driver.js';
