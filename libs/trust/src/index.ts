export { SURFACES, type Surface, type TrustMode, VISIBILITIES, type Visibility } from '#libs/contracts';
export * from './decide.js';
export * from './features.js';
export * from './member-ceiling.js';
export * from './modes.js';
export * from './profile.js';
export * from './surfaces.js';
export * from './tier-templates.js';
export * from './tools.js';
