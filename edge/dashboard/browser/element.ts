// Elements of the page, made and found. Text is always text: nothing here reads markup.

/** What an element holds. */
export type Child = Node | string;

/** Attributes by name; true is an attribute without a value, false and undefined none at all. */
export type Attributes = Readonly<Record<string, string | number | boolean | undefined>>;

/** Makes an HTML element. */
export function element<Tag extends keyof HTMLElementTagNameMap>(
  tag: Tag,
  attributes: Attributes = {},
  ...children: readonly Child[]
): HTMLElementTagNameMap[Tag] {
  const made = document.createElement(tag);
  setAttributes(made, attributes);
  made.append(...children);
  return made;
}

/** Makes an SVG element. */
export function drawing<Tag extends keyof SVGElementTagNameMap>(
  tag: Tag,
  attributes: Attributes = {},
  ...children: readonly Child[]
): SVGElementTagNameMap[Tag] {
  const made = document.createElementNS('http://www.w3.org/2000/svg', tag);
  setAttributes(made, attributes);
  made.append(...children);
  return made;
}

/** The element of an id. @throws Error where the page has none of this kind */
export function find<Kind extends Element>(id: string, kind: new () => Kind): Kind {
  const found = document.getElementById(id);
  if (found instanceof kind) return found;
  throw new Error(`the page has no ${kind.name} #${id}`);
}

/** The form control of an id that holds one value. */
export function choice(id: string): HTMLSelectElement {
  return find(id, HTMLSelectElement);
}

/** Terms with what they say, for a list of facts. */
export function facts(entries: readonly (readonly [term: string, ...said: readonly Child[]])[]): Node[] {
  return entries.flatMap(([term, ...said]) => [element('dt', {}, term), element('dd', {}, ...said)]);
}

function setAttributes(made: Element, attributes: Attributes): void {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === false || value === undefined) continue;
    made.setAttribute(name, value === true ? '' : String(value));
  }
}
