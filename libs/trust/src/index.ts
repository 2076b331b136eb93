export * from './modes.js';
export * from './tier-templates.js';
