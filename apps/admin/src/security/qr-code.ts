const NAMESPACE = 'http://www.w3.org/2000/svg';

/**
 * Draws a QR code from the server's SVG: its size and its dark path are taken over as data, nothing of it becomes markup.
 * Black on white in every colour scheme, because cameras want it so.
 */
export function qrCode(svg: string, label: string): SVGSVGElement {
  const source = new DOMParser().parseFromString(svg, 'image/svg+xml').documentElement;
  const dark = source.querySelector('path[stroke]')?.getAttribute('d') ?? '';
  const element = document.createElementNS(NAMESPACE, 'svg');
  element.setAttribute('class', 'qr');
  element.setAttribute('viewBox', source.getAttribute('viewBox') ?? '0 0 1 1');
  element.setAttribute('role', 'img');
  element.setAttribute('aria-label', label);
  const path = document.createElementNS(NAMESPACE, 'path');
  path.setAttribute('d', dark);
  element.append(path);
  return element;
}
