import {
  type Surface,
  type SurfaceGrant,
  SURFACES,
  type TrustMode,
  type Visibility,
  VISIBILITIES,
} from '#libs/contracts';
import { effectiveMode } from './modes.js';

const OWN_PAGE: SurfaceGrant = {
  modeCap: 3,
  fullChat: true,
  businessContext: true,
  personalisation: true,
  checklistsAndGoals: true,
  weeklySummary: 'always',
  memory: 'durable',
};

/** A private chat on a platform that somebody else runs. */
const DIRECT_MESSAGE: SurfaceGrant = {
  ...OWN_PAGE,
  modeCap: 2,
  fullChat: false,
  checklistsAndGoals: false,
  weeklySummary: 'opt-in',
};

/** A telephone number says little about who holds the telephone: what is said there is not carried on. */
const TEXT_MESSAGE: SurfaceGrant = {
  ...DIRECT_MESSAGE,
  fullChat: true,
  weeklySummary: 'never',
  memory: 'session',
};
const CALL: SurfaceGrant = { ...TEXT_MESSAGE, fullChat: false };

/** Strangers read along: no memory, nothing personal, and no mode that denies public surfaces. */
const OPEN_CHANNEL: SurfaceGrant = {
  modeCap: 1,
  fullChat: false,
  businessContext: false,
  personalisation: false,
  checklistsAndGoals: false,
  weeklySummary: 'never',
  memory: 'none',
};
const OPEN_PAGE: SurfaceGrant = { ...OPEN_CHANNEL, modeCap: 0 };

type Grants = Readonly<Partial<Record<Visibility, SurfaceGrant>>>;
/** Mode 3 goes over a platform only where the account is the member's own. */
const withOwn = (grant: SurfaceGrant): Grants => ({ private: grant, own: { ...grant, modeCap: 3 } });
const CHANNEL: Grants = { public: OPEN_CHANNEL, ...withOwn(DIRECT_MESSAGE) };

/** What each surface carries (product.md, "Surface caps"). What is not here is denied. */
export const SURFACE_GRANTS: Record<Surface, Grants> = {
  web: { private: OWN_PAGE, public: OPEN_PAGE },
  extension: { private: OWN_PAGE },
  mobile: { private: OWN_PAGE },
  api: { private: OWN_PAGE },
  cli: { private: OWN_PAGE },
  admin: { private: OWN_PAGE },
  sms: withOwn(TEXT_MESSAGE),
  voice: withOwn(CALL),
  slack: CHANNEL,
  discord: CHANNEL,
  telegram: CHANNEL,
  whatsapp: CHANNEL,
};

/** Surfaces that are the tenant's own chat in another shape; a tier grants them with its channel `web`. */
const OWN_CHAT: ReadonlySet<string> = new Set(['web', 'extension', 'mobile', 'api', 'cli', 'admin']);

/** True when a tier with these channels covers the surface. */
export const tierCovers = (channels: readonly string[], surface: Surface): boolean =>
  channels.includes(surface) || (OWN_CHAT.has(surface) && channels.includes('web'));

/** A place a request can come from. */
export interface Place {
  readonly surface: Surface;
  readonly visibility: Visibility;
}

/** Where strangers may read along is the default wherever they could: a token has to say that it is for a private chat. */
export const defaultVisibility = (surface: Surface): Visibility =>
  SURFACE_GRANTS[surface].public && surface !== 'web' ? 'public' : 'private';

/** As an entry of a token's `surfaces`: `slack` (its default visibility) or `slack:private`. */
export const placeClaim = ({ surface, visibility }: Place): string =>
  visibility === defaultVisibility(surface) ? surface : `${surface}:${visibility}`;

/** Undefined for anything that is not a surface with a visibility that it can have. */
export function parsePlace(claim: string): Place | undefined {
  const [name, seen, ...rest] = claim.split(':');
  const surface = SURFACES.find((known) => known === name);
  if (!surface || rest.length > 0) return undefined;
  const visibility = seen === undefined ? defaultVisibility(surface) : VISIBILITIES.find((known) => known === seen);
  return visibility && SURFACE_GRANTS[surface][visibility] ? { surface, visibility } : undefined;
}

/** The highest mode of any request from there. */
export const surfaceCap = ({ surface, visibility }: Place): TrustMode =>
  effectiveMode(SURFACE_GRANTS[surface][visibility]?.modeCap ?? 0);
