import { SURFACES, type Visibility } from '#libs/contracts';
import { describe, expect, it } from 'vitest';
import { parsePlace, placeClaim, SURFACE_GRANTS, surfaceCap, tierCovers } from './surfaces.js';

it.each([
  [['web'], 'web', true],
  [['web'], 'mobile', true],
  [['web'], 'cli', true],
  [['web'], 'slack', false],
  [['web', 'slack'], 'slack', true],
  [['slack'], 'web', false],
  [['slack'], 'extension', false],
  [[], 'web', false],
] as const)('a tier with channels %j and surface %s: %s', (channels, surface, covered) => {
  expect(tierCovers(channels, surface)).toBe(covered);
});

describe('a place in a token', () => {
  it.each([
    ['web', { surface: 'web', visibility: 'private' }],
    ['web:public', { surface: 'web', visibility: 'public' }],
    ['slack', { surface: 'slack', visibility: 'public' }],
    ['slack:private', { surface: 'slack', visibility: 'private' }],
    ['slack:own', { surface: 'slack', visibility: 'own' }],
    ['sms', { surface: 'sms', visibility: 'private' }],
  ] as const)('%s', (claim, place) => {
    expect(parsePlace(claim)).toEqual(place);
    expect(placeClaim(place)).toBe(claim);
  });

  it.each([
    '',
    'fax',
    'web:own',
    'sms:public',
    'web:',
    ':private',
    'web:private:own',
    'WEB',
    '__proto__',
    'web:constructor',
  ])('never %j', (claim) => {
    expect(parsePlace(claim)).toBeUndefined();
  });

  it('means the same after being written and read, wherever it is', () => {
    for (const surface of SURFACES) {
      for (const visibility of Object.keys(SURFACE_GRANTS[surface]) as Visibility[]) {
        const place = { surface, visibility };
        expect(parsePlace(placeClaim(place))).toEqual(place);
        expect(surfaceCap(place)).toBe(SURFACE_GRANTS[surface][visibility]?.modeCap);
      }
    }
  });
});
