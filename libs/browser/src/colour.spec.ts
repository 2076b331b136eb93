import { describe, expect, it } from 'vitest';
import { accentFor, contrast, parseHex } from './colour.js';

const LIGHT = '#fbfaf7';
const DARK = '#161513';

describe('accentFor', () => {
  it.each(['#000000', '#ffffff', '#ffee00', '#2f5d50', '#c0f', '#808080', '#ff0000'])(
    'keeps %s readable on light and on dark paper',
    (accent) => {
      for (const paper of [LIGHT, DARK]) {
        const { fill, onFill, ink } = accentFor(paper, accent)!;
        expect(contrast(parseHex(ink)!, parseHex(paper)!)).toBeGreaterThanOrEqual(4.5);
        expect(contrast(parseHex(onFill)!, parseHex(fill)!)).toBeGreaterThanOrEqual(4.5);
        expect(contrast(parseHex(fill)!, parseHex(paper)!)).toBeGreaterThanOrEqual(3);
      }
    },
  );

  it('leaves a brand colour alone where it is readable already', () => {
    expect(accentFor(LIGHT, '#2f5d50')).toEqual({ fill: '#2f5d50', onFill: '#ffffff', ink: '#2f5d50' });
  });

  it.each(['', 'green', '#12', '#12345', 'url(x)', '#12345g'])('refuses "%s", which is no colour', (value) => {
    expect(accentFor(LIGHT, value)).toBeUndefined();
  });

  it('knows the contrast of black on white', () => {
    expect(contrast([0, 0, 0], [255, 255, 255])).toBeCloseTo(21, 5);
  });
});
