import { followLanguage, isWording, worded, type Wording } from "./language";

export type Child = Node | string | Wording | null | undefined | false;
type Listener = (event: Event) => unknown;
type Attributes = Readonly<Record<string, string | number | boolean | Wording | Listener | null | undefined>>;

/**
 * Makes an element. Attributes that are functions listen to the event they are named for, and
 * texts of the interface follow its language.
 */
export function element<Tag extends keyof HTMLElementTagNameMap>(
  tag: Tag,
  attributes: Attributes = {},
  ...children: Child[]
): HTMLElementTagNameMap[Tag] {
  const made = document.createElement(tag);
  dress(made, attributes);
  made.append(...children.flatMap(node));
  return made;
}

const SVG = "http://www.w3.org/2000/svg";

/** Makes an element of a drawing. */
export function drawn<Tag extends keyof SVGElementTagNameMap>(
  tag: Tag,
  attributes: Attributes = {},
  ...children: Child[]
): SVGElementTagNameMap[Tag] {
  const made = document.createElementNS(SVG, tag);
  dress(made, attributes);
  made.append(...children.flatMap(node));
  return made;
}

/** Replaces what an element holds. */
export function fill(parent: Element, ...children: Child[]): void {
  parent.replaceChildren(...children.flatMap(node));
}

function node(child: Child): (Node | string)[] {
  if (child === null || child === undefined || child === false) return [];
  return [isWording(child) ? textNode(child) : child];
}

function textNode(wording: Wording): Text {
  const text = document.createTextNode("");
  follow(text, (target) => (target.data = worded(wording)));
  return text;
}

function dress(made: Element, attributes: Attributes): void {
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") made.addEventListener(name, value);
    else if (isWording(value))
      follow(made, (target) => {
        target.setAttribute(name, worded(value));
      });
    else if (value === true) made.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) made.setAttribute(name, String(value));
  }
}

/** Keeps nothing alive: what has left the page and is forgotten stops following. */
function follow<Target extends Node>(target: Target, update: (target: Target) => unknown): void {
  const reference = new WeakRef(target);
  followLanguage(() => {
    const alive = reference.deref();
    if (alive) update(alive);
    return alive !== undefined;
  });
}
