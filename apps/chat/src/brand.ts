import { accentFor } from '#libs/browser';
import type { Brand } from './api.js';

const PAPERS = { light: '#fbfaf7', dark: '#161513' } as const;

export const PLAIN_BRAND: Brand = { name: 'Your agent', accent: '#2f5d50', greeting: 'What are we working on today?' };

/** Puts the tenant's name and colour on the page. Set through the style object, which a strict content policy allows. */
export function applyBrand(brand: Brand): void {
  document.title = brand.name;
  for (const place of document.querySelectorAll('[data-brand]')) place.textContent = brand.name;
  for (const [scheme, paper] of Object.entries(PAPERS)) {
    const accent = accentFor(paper, brand.accent);
    if (!accent) continue;
    const { style } = document.documentElement;
    style.setProperty(`--accent-fill-${scheme}`, accent.fill);
    style.setProperty(`--accent-on-${scheme}`, accent.onFill);
    style.setProperty(`--accent-ink-${scheme}`, accent.ink);
  }
}

/** Fills what a tenant left out, so that the page is never without a name or a greeting. */
export const completeBrand = (brand: Partial<Brand>): Brand => ({
  name: brand.name?.trim() || PLAIN_BRAND.name,
  accent: brand.accent?.trim() || PLAIN_BRAND.accent,
  greeting: brand.greeting?.trim() || PLAIN_BRAND.greeting,
});
