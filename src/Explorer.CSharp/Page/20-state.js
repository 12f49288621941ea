// The question, which stands in the page's address.

/**
 * @typedef {{ images: string[], quantity: string, methods: string[], settings: Record<string, string>, layer: string, distribution: string,
 *   view: string, show: string, opacity: number, scale: string, metrics: string[], over: string }} Question
 */

const VIEWS = { maps: "Maps", network: "Network", experts: "Experts", measure: "Measure" };
const SHOWS = { heat: "Heat map", cloud: "Point cloud", mask: "Mask" };
const MOST_IMAGES = 12;
const MOST_METHODS = 12;

/** @type {Question} */
let question;

/** What could not be read of the address, for the person. */
let misread = "";

/** @returns {Question} */
const usual = () => ({
  images: [saved ? saved.shown[0] : "0"], quantity: "predicted", methods: ["saliency"], settings: {}, layer: about.defaultLayer ?? "",
  distribution: "all", view: "maps", show: "heat", opacity: 1, scale: "own", metrics: ["average-drop", "deletion", "sparseness"].filter((name) => metricOf(name)),
  over: "image",
});

const isImage = (/** @type {string} */ key) => /^[0-9a-f]{64}$/.test(key) || (/^\d{1,9}$/.test(key) && Number(key) < about.images.count);
const methodOf = (/** @type {string} */ name) => about.methods.find((method) => method.name === name);
const metricOf = (/** @type {string} */ name) => about.metrics.find((metric) => metric.name === name);
const settingOf = (/** @type {string} */ name) => about.settings.find((setting) => setting.name === name);
const layerOf = (/** @type {string} */ name) => about.layers.find((layer) => layer.name === name);

/** Reads the address; what cannot be meant is left out, and said. */
const readAddress = () => {
  const found = usual();
  const wrong = [];
  const take = (/** @type {string} */ name, /** @type {string} */ text) => {
    const some = text.split(",").filter(Boolean);
    const known = (/** @type {string[]} */ all, /** @type {(x: string) => any} */ is, /** @type {number} */ most) => {
      wrong.push(...all.filter((x) => !is(x)));
      return [...new Set(all.filter(is))].slice(0, most);
    };
    if (name === "images") found.images = known(some, isImage, MOST_IMAGES);
    else if (name === "methods") found.methods = known(some, methodOf, MOST_METHODS);
    else if (name === "metrics") found.metrics = known(some, metricOf, about.metrics.length);
    else if (name === "quantity") found.quantity = text;
    else if (name === "layer") layerOf(text) ? (found.layer = text) : wrong.push(text);
    else if (name === "distribution") found.distribution = text;
    else if (name === "view") text in VIEWS ? (found.view = text) : wrong.push(text);
    else if (name === "show") text in SHOWS ? (found.show = text) : wrong.push(text);
    else if (name === "scale") found.scale = text === "shared" ? "shared" : "own";
    else if (name === "over") found.over = text === "all" ? "all" : "image";
    else if (name === "opacity") Number(text) >= 0 && Number(text) <= 1 ? (found.opacity = Number(text)) : wrong.push(text);
    else if (settingOf(name)) found.settings[name] = text;
    else wrong.push(name);
  };
  for (const part of location.hash.slice(1).split("&").filter(Boolean)) {
    const [name, ...rest] = part.split("=");
    try { take(decodeURIComponent(name), decodeURIComponent(rest.join("="))); } catch { wrong.push(part); }
  }
  if (found.images.length === 0) found.images = usual().images;
  if (found.methods.length === 0) found.methods = ["saliency"];
  misread = wrong.length > 0 ? `The address says what is not there: ${wrong.slice(0, 3).join(", ")}. The rest is shown.` : "";
  question = found;
};

const spelled = (/** @type {string} */ text) => encodeURIComponent(text).replace(/%2C/g, ",").replace(/%3A/g, ":").replace(/%2F/g, "/");

/** The question as an address; what is usual is left out. */
const address = () => {
  const standard = usual();
  const parts = [];
  for (const [name, value] of Object.entries(question)) {
    if (name === "settings") continue;
    const text = Array.isArray(value) ? value.join(",") : String(value);
    const same = Array.isArray(standard[name]) ? standard[name].join(",") : String(standard[name]);
    if (text !== same) parts.push(`${name}=${spelled(text)}`);
  }
  for (const [name, text] of Object.entries(question.settings)) parts.push(`${name}=${spelled(text)}`);
  return `#${parts.join("&")}`;
};

/**
 * Changes the question and shows what follows.
 * @param {Partial<Question>} change @param {boolean} [passing] Whether it is no step to go back to, as of a slider.
 */
const change = (change, passing = false) => {
  Object.assign(question, change);
  misread = "";
  if (passing) { writeLater(); soon(); return; }
  write("pushState");
  render();
};

/** Writes the question into the address. */
const write = (/** @type {"pushState"|"replaceState"} */ how) => {
  const to = address();
  // A file's page may not be allowed to.
  try { history[how](null, "", to === "#" ? location.pathname + location.search : to); } catch { location.replace(to); }
};

let writing = 0;

/** Once a slider rests: browsers stop a page that writes its address at each of its moves. */
const writeLater = () => {
  clearTimeout(writing);
  writing = setTimeout(() => write("replaceState"), 150);
};

const classOf = (/** @type {string} */ text) => (/^\d+$/.test(text) && about.classes[Number(text)]) || text;

/** What a quantity is, in words. */
const inWords = (/** @type {string} */ quantity) => {
  const [kind, ...rest] = quantity.split(":");
  const of = rest.join(":");
  if (quantity === "predicted") return "the class that the network predicts";
  if (quantity === "true") return "the true class";
  if (kind === "class") return classOf(of);
  if (kind === "region") return `${classOf(of)}, where the network sees it`;
  if (kind === "one-vs-rest") return `${classOf(of)} rather than all else`;
  if (kind === "margin") {
    const [a, b] = of.split(",").map((side) => side.split("+").map(classOf).join(" or "));
    return b ? `${a} rather than ${b}` : quantity;
  }
  if (kind === "unit") return `${layerOf(of.slice(0, of.lastIndexOf(",")))?.noun ?? "unit"} ${of.slice(of.lastIndexOf(",") + 1)} of layer ${of.slice(0, of.lastIndexOf(","))}`;
  return quantity;
};

/** What is asked, with the name of the class that the network predicts, where one image is shown and that is known. */
const asked = () => {
  const scores = answers.get(queryOf({ of: "scores", image: question.images[0] }));
  return question.quantity === "predicted" && question.images.length === 1 && scores?.data ? `${about.classes[scores.data.predicted]}, the class that the network predicts` : inWords(question.quantity);
};

const labelOf = (/** @type {string} */ key) => {
  if (key.length === 64) return added.get(key)?.label ?? "added picture";
  const label = about.images.labels[Number(key)];
  return label === key ? `image ${key}` : label;
};
