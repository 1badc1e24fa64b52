/** What an attribute of `el` and `svg` may be; null, undefined and false leave it out, true sets it empty. */
export type Attribute = string | number | boolean | null | undefined;
/** A child: strings become text nodes, never markup. */
export type Child = Node | string | null | undefined | false | readonly Child[];

export interface Attributes {
  readonly [name: string]: Attribute | EventListener | ((event: never) => void) | Readonly<Record<string, string>>;
  /** Text of the tooltip, shown by `installTooltips`. */
  readonly tip?: string | null;
  /** CSS properties, set through the CSSOM because the page's policy forbids style attributes. */
  readonly css?: Readonly<Record<string, string>>;
}

const SVG_NAMESPACE = 'http://www.w3.org/2000/svg';

/** An HTML element: `el('div.note', { title: 'x' }, 'text', child)`. */
export function el<K extends keyof HTMLElementTagNameMap>(spec: K | `${K}.${string}`, attributes: Attributes = {}, ...children: Child[]): HTMLElementTagNameMap[K] {
  const [tag = 'div', ...classes] = spec.split('.');
  const node = document.createElement(tag) as HTMLElementTagNameMap[K];
  if (classes.length > 0) node.className = classes.join(' ');
  fill(node, attributes, children);
  return node;
}

/** The same for SVG. */
export function svg<K extends keyof SVGElementTagNameMap>(spec: K | `${K}.${string}`, attributes: Attributes = {}, ...children: Child[]): SVGElementTagNameMap[K] {
  const [tag = 'g', ...classes] = spec.split('.');
  const node = document.createElementNS(SVG_NAMESPACE, tag) as SVGElementTagNameMap[K];
  if (classes.length > 0) node.setAttribute('class', classes.join(' '));
  fill(node, attributes, children);
  return node;
}

function fill(node: HTMLElement | SVGElement, attributes: Attributes, children: readonly Child[]): void {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (typeof value === 'function') node.addEventListener(name.slice(2), value as EventListener);
    else if (typeof value === 'object') setCss(node, value);
    else if (name === 'tip') node.dataset.tip = String(value);
    else node.setAttribute(name, value === true ? '' : String(value));
  }
  append(node, children);
}

/** Sets CSS properties and custom properties on an element. */
export function setCss(node: HTMLElement | SVGElement, css: Readonly<Record<string, string>>): void {
  for (const [name, value] of Object.entries(css)) node.style.setProperty(name, value);
}

/** Appends children, flattening lists and leaving out the empty ones. */
export function append(node: Element, children: readonly Child[]): void {
  for (const child of children) {
    if (child === null || child === undefined || child === false) continue;
    if (Array.isArray(child)) append(node, child as readonly Child[]);
    else node.append(child as Node | string);
  }
}

/** Replaces the children of an element; keeps the old ones when nothing changed. */
export function replace(node: Element, ...children: Child[]): void {
  const holder = document.createDocumentFragment();
  const box = document.createElement('div');
  append(box, children);
  while (box.firstChild) holder.append(box.firstChild);
  node.replaceChildren(holder);
}
