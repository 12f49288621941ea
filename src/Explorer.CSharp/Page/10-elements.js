// Elements, numbers and words.

/**
 * An element. Properties that begin with "on" are listeners, those with a hyphen or unknown to the element are attributes.
 * @param {string} tag @param {Record<string, any>} [properties] @param {...(Node|string|null|undefined|false)} children
 */
const make = (tag, properties = {}, ...children) => {
  const svg = ["svg", "path", "circle", "line", "text", "g"].includes(tag);
  const element = svg ? document.createElementNS("http://www.w3.org/2000/svg", tag) : document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (!svg && name in element && !name.includes("-")) element[name] = value;
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  element.append(...children.filter((child) => child !== null && child !== undefined && child !== false));
  return element;
};

const byId = (/** @type {string} */ id) => /** @type {HTMLElement} */ (document.getElementById(id));

/** Puts children in the place of an element's own, and the focus back to where it was, by the control's data. */
const fill = (/** @type {Element} */ element, /** @type {...(Node|string|null|false)} */ ...children) => {
  const held = element.contains(document.activeElement) ? Object.entries(document.activeElement.dataset ?? {})[0] : null;
  const scrolled = element.scrollTop;
  element.replaceChildren(...children.filter((child) => child !== null && child !== false));
  element.scrollTop = scrolled;
  if (held) element.querySelector(`[data-${hyphens(held[0])}="${CSS.escape(held[1])}"]`)?.focus();
};

/** Fills an element anew only where what it shows has changed: a press that is under way, a scroll and a reader's place stay. */
const refill = (/** @type {HTMLElement} */ element, /** @type {string} */ sign, /** @type {() => any[]} */ children) => {
  if (element.dataset.sign === sign) return;
  element.dataset.sign = sign;
  fill(element, ...children());
};

const hyphens = (/** @type {string} */ name) => name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);

/** Three digits, with a minus as wide as a digit. */
const three = (/** @type {number|null} */ value) => {
  if (value === null || value === undefined) return "undefined";
  if (value === 0) return "0";
  const size = Math.abs(value);
  const text = size >= 1e5 || size < 1e-3 ? value.toExponential(2) : String(Number(value.toPrecision(3)));
  return text.replaceAll("-", "−");
};

/** Two decimals at least where they are seen, three digits where they are not. */
const score = (/** @type {number|null} */ value) => {
  if (value === null || value === undefined) return "undefined";
  return Math.abs(value) >= 0.1 ? value.toFixed(2).replaceAll("-", "−") : three(value);
};

const percent = (/** @type {number} */ share) => `${Number((100 * share).toFixed(share < 0.1 ? 1 : 0))} %`;

const capital = (/** @type {string} */ text) => text.charAt(0).toUpperCase() + text.slice(1);

/** A button that copies a text and says so. */
const copier = (/** @type {string} */ label, /** @type {() => string} */ text, properties = {}) =>
  make("button", {
    type: "button", ...properties,
    onclick: async (/** @type {Event} */ event) => {
      const button = /** @type {HTMLElement} */ (event.currentTarget);
      const done = await navigator.clipboard.writeText(text()).then(() => "Copied", () => "Not allowed to copy");
      button.textContent = done;
      setTimeout(() => { button.textContent = label; }, 1500);
    },
  }, label);
