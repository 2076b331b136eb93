type Rgb = readonly [number, number, number];

const BLACK: Rgb = [0, 0, 0];
const WHITE: Rgb = [255, 255, 255];
/** Contrast that WCAG 2.2 AA asks of text, and of what makes a control recognisable. */
const TEXT = 4.5;
const CONTROL = 3;
/** Text in the accent also stands on a tint of the accent, which takes some of the contrast. */
const ON_TINT = 5.8;

/** Reads `#rgb` or `#rrggbb`; anything else is undefined, so that a mistyped brand colour never breaks a page. */
export function parseHex(value: string): Rgb | undefined {
  const digits = /^#([0-9a-f]{3}|[0-9a-f]{6})$/i.exec(value.trim())?.[1];
  if (!digits) return undefined;
  const full = digits.length === 3 ? [...digits].map((digit) => digit + digit).join('') : digits;
  return [0, 2, 4].map((at) => Number.parseInt(full.slice(at, at + 2), 16)) as unknown as Rgb;
}

const toHex = (colour: Rgb): string => `#${colour.map((part) => part.toString(16).padStart(2, '0')).join('')}`;

function luminance(colour: Rgb): number {
  const [red, green, blue] = colour.map((part) => {
    const share = part / 255;
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  }) as unknown as Rgb;
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}

/** Contrast of two colours as WCAG defines it, from 1 to 21. */
export function contrast(a: Rgb, b: Rgb): number {
  const [low, high] = [luminance(a), luminance(b)].sort((x, y) => x - y) as [number, number];
  return (high + 0.05) / (low + 0.05);
}

const mix = (a: Rgb, b: Rgb, share: number): Rgb =>
  a.map((part, at) => Math.round(part + (b[at]! - part) * share)) as unknown as Rgb;

/** The given colour, moved towards black or white only as far as its contrast with `paper` needs. */
function readableOn(paper: Rgb, colour: Rgb, needed: number): Rgb {
  const towards = luminance(paper) > 0.4 ? BLACK : WHITE;
  for (let share = 0; share < 1; share += 0.05) {
    const candidate = mix(colour, towards, share);
    if (contrast(candidate, paper) >= needed) return candidate;
  }
  return towards;
}

/** Colours that a page derives from one brand colour, for one background: a fill, the text on it, and text in the accent. */
export function accentFor(
  background: string,
  accent: string,
): { fill: string; onFill: string; ink: string } | undefined {
  const paper = parseHex(background);
  const colour = parseHex(accent);
  if (!paper || !colour) return undefined;
  // A fill that vanishes into the page (black on a dark page) is no button any more.
  const fill = readableOn(paper, colour, CONTROL);
  const onFill = contrast(WHITE, fill) >= TEXT ? WHITE : BLACK;
  return { fill: toHex(fill), onFill: toHex(onFill), ink: toHex(readableOn(paper, colour, ON_TINT)) };
}
