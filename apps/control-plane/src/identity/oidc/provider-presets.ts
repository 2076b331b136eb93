import ipaddr from 'ipaddr.js';

export const PROVIDER_KINDS = ['oidc', 'github'] as const;
export type ProviderKind = (typeof PROVIDER_KINDS)[number];

export const PRESET_NAMES = ['google', 'github', 'microsoft'] as const;
export type PresetName = (typeof PRESET_NAMES)[number];

export interface Preset {
  readonly name: string;
  readonly kind: ProviderKind;
  readonly issuer: string;
}

/** What is the same for everybody who uses these providers. */
export const PRESETS: Readonly<Record<PresetName, Preset>> = {
  google: { name: 'Google', kind: 'oidc', issuer: 'https://accounts.google.com' },
  github: { name: 'GitHub', kind: 'github', issuer: 'https://github.com' },
  // Work and school accounts of every organisation; name one organisation's issuer to admit that one only.
  microsoft: { name: 'Microsoft', kind: 'oidc', issuer: 'https://login.microsoftonline.com/organizations/v2.0' },
};

/** This machine, by its address or by the name that always means it. */
export function isLoopback(url: URL): boolean {
  const host = url.hostname.replace(/^\[|\]$/g, '');
  return host === 'localhost' || (ipaddr.isValid(host) && ipaddr.process(host).range() === 'loopback');
}

/** The issuer as it is compared: https (plain http on this machine only), nothing behind the path; undefined when it is none. */
export function parseIssuer(text: string): string | undefined {
  const url = URL.parse(text);
  if (!url || url.username || url.password || url.search || url.hash) return undefined;
  if (url.protocol !== 'https:' && !(url.protocol === 'http:' && isLoopback(url))) return undefined;
  return text.endsWith('/') && url.pathname === '/' ? text.slice(0, -1) : text;
}
