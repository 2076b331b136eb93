const NAMESPACE = 'http://www.w3.org/2000/svg';

/** Line icons on a 24 x 24 grid, drawn with the text colour. */
const PATHS = {
  plus: 'M12 5v14M5 12h14',
  menu: 'M4 7h16M4 12h16M4 17h10',
  close: 'M6 6l12 12M18 6L6 18',
  send: 'M12 19V5M6 11l6-6 6 6',
  stop: 'M8 8h8v8H8z',
  copy: 'M9 9h10v10H9zM15 9V5H5v10h4',
  check: 'M5 12.5l4.5 4.5L19 7.5',
  leave: 'M10 5H5v14h5M14 8l4 4-4 4M18 12H9',
  retry: 'M19 12a7 7 0 1 1-2.2-5.1M19 4v4h-4',
} as const;
export type IconName = keyof typeof PATHS;

/** Decorative: the control that holds it carries the name. */
export function icon(name: IconName): SVGSVGElement {
  const svg = document.createElementNS(NAMESPACE, 'svg');
  svg.setAttribute('viewBox', '0 0 24 24');
  svg.setAttribute('class', 'icon');
  svg.setAttribute('aria-hidden', 'true');
  svg.setAttribute('focusable', 'false');
  const path = document.createElementNS(NAMESPACE, 'path');
  path.setAttribute('d', PATHS[name]);
  svg.append(path);
  return svg;
}
