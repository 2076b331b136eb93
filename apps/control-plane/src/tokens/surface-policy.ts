import type { Surface } from '#libs/trust';

/** Surfaces that are the tenant's own chat in another shape; a tier grants them with its channel `web`. */
const OWN_CHAT: ReadonlySet<Surface> = new Set(['web', 'extension', 'mobile', 'api', 'cli', 'admin']);

/** True when a tier with these channels covers the surface. */
export const tierCovers = (channels: readonly string[], surface: Surface): boolean =>
  channels.includes(surface) || (OWN_CHAT.has(surface) && channels.includes('web'));
