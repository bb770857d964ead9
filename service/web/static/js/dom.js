// DOM builder. Strings always become text nodes, never markup.
import { below } from "./root.js";

const ADDRESSES = new Set(["action", "href", "src"]);

/**
 * h("p.muted", {id: "x", onclick: f, dataset: {a: 1}, vars: {"--share": 0.4}, disabled: true}, "text", child, [more])
 *
 * Properties: functions named on... become listeners; `dataset` and `vars` (style properties) are objects; true sets an
 * attribute; false, null and undefined omit it; all others are attributes. Paths in `action`, `href` and `src` are below
 * the service.
 */
export function h(selector, ...rest) {
  const [properties, children] = isProperties(rest[0]) ? [rest[0], rest.slice(1)] : [{}, rest];
  const [tag, ...marks] = selector.split(/(?=[.#])/);
  const element = document.createElement(tag);
  for (const mark of marks) {
    if (mark.startsWith("#")) element.id = mark.slice(1);
    else element.classList.add(mark.slice(1));
  }
  assign(element, properties);
  element.append(...nodes(children));
  return element;
}

/** Replace the children of the element. */
export function fill(element, ...children) {
  element.replaceChildren(...nodes(children));
  return element;
}

/** The element with this id; throws if there is none. */
export function byId(id) {
  const element = document.getElementById(id);
  if (element === null) throw new Error(`the page has no #${id}`);
  return element;
}

function isProperties(value) {
  return value !== null && typeof value === "object" && !(value instanceof Node) && !Array.isArray(value);
}

function nodes(children) {
  return children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false)
    .map((child) => (child instanceof Node ? child : document.createTextNode(String(child))));
}

function assign(element, properties) {
  for (const [name, value] of Object.entries(properties)) {
    if (value === null || value === undefined || value === false) continue;
    if (name === "dataset") Object.assign(element.dataset, value);
    else if (name === "vars") for (const [key, each] of Object.entries(value)) element.style.setProperty(key, each);
    else if (name.startsWith("on") && typeof value === "function") element.addEventListener(name.slice(2), value);
    else if (name === "class") element.classList.add(...String(value).split(" ").filter(Boolean));
    else if (ADDRESSES.has(name)) element.setAttribute(name, below(value));
    else element.setAttribute(name, value === true ? "" : value);
  }
}
