export * from './public-address.js';
export * from './public-agent.js';
