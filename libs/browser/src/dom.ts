type Child = Node | string | null | undefined | false;
type Listeners = { readonly [K in keyof HTMLElementEventMap as `on${K}`]?: (event: HTMLElementEventMap[K]) => void };
type Attributes = Listeners & { readonly [name: string]: unknown };

/**
 * Builds an element. Text always becomes a text node and there is no way to pass markup, so nothing that an agent or a
 * member wrote can turn into HTML. `true` sets an empty attribute; false, null and undefined leave it out.
 */
export function h<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: Attributes = {},
  ...children: Child[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) setAttribute(element, name, value);
  element.append(
    ...children.filter((child): child is Node | string => child !== null && child !== undefined && child !== false),
  );
  return element;
}

function setAttribute(element: HTMLElement, name: string, value: unknown): void {
  if (value === false || value === null || value === undefined) return;
  if (name.startsWith('on')) element.addEventListener(name.slice(2), value as EventListener);
  else element.setAttribute(name, value === true ? '' : String(value));
}

/** The element with this id; the page's own markup guarantees it. */
export function byId<T extends HTMLElement = HTMLElement>(id: string): T {
  const element = document.getElementById(id);
  if (!element) throw new Error(`the page has no element #${id}`);
  return element as T;
}

/** Replaces the children only when something changed, so that focus and selection survive a refresh of the same content. */
export function replaceChanged(parent: Element, ...children: Node[]): void {
  const same =
    parent.childNodes.length === children.length && children.every((c, at) => c.isEqualNode(parent.childNodes[at]!));
  if (!same) parent.replaceChildren(...children);
}
