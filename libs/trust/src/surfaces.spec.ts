import { expect, it } from 'vitest';
import { tierCovers } from './surfaces.js';

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
