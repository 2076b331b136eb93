export * from './route-feed.client.js';
export * from './route-frame.js';
export * from './route-log.js';
export * from './route-store.js';
export * from './route-table.js';
