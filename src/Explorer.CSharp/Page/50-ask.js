// What is asked: an image, a quantity, methods and their settings.

const FEW = 12;
const MOST_THUMBS = 1000;
const MOST_ROWS = 100;

const thumb = (/** @type {string} */ key) =>
  make("div", { className: "thumb" },
    make("button", { type: "button", "data-image": key, title: labelOf(key), "aria-label": imageWords(key), "aria-keyshortcuts": "+", onclick: (/** @type {MouseEvent} */ event) => choose(key, event.ctrlKey || event.metaKey), onkeydown: roam },
      make("img", { src: sourceOf(key), alt: "", loading: "lazy", onload: (/** @type {Event} */ event) => event.target.classList.toggle("small", event.target.naturalWidth < 160) })),
    make("button", { type: "button", "data-add": key, tabIndex: -1, onclick: () => choose(key, true) }));

const imageWords = (/** @type {string} */ key) => {
  const truth = key.length < 64 ? about.images.trueClasses?.[Number(key)] : null;
  return `${capital(labelOf(key))}${truth === null || truth === undefined ? "" : `, ${about.classes[truth]}`}`;
};

const choose = (/** @type {string} */ key, /** @type {boolean} */ beside) => {
  const others = question.images.filter((other) => other !== key);
  if (!beside) change({ images: [key] });
  else if (others.length === question.images.length) change({ images: [...question.images, key].slice(-MOST_IMAGES) });
  else if (others.length > 0) change({ images: others });
};

/** Arrow keys go from image to image, + shows one beside the others; Tab goes on. */
const roam = (/** @type {KeyboardEvent} */ event) => {
  if (event.key === "+") choose(event.currentTarget.dataset.image, true);
  const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
  const all = /** @type {HTMLElement[]} */ ([...byId("images").querySelectorAll("[data-image]")]);
  const to = event.key === "Home" ? 0 : event.key === "End" ? all.length - 1 : step ? all.indexOf(event.currentTarget) + step : -1;
  if (!all[to]) return;
  event.preventDefault();
  all[to].focus();
};

const imageKeys = () => saved ? saved.shown : [...added.keys(), ...Array.from({ length: Math.min(about.images.count, MOST_THUMBS) }, (_, i) => String(i))];

const showImages = () => {
  const box = byId("images");
  const keys = [...new Set([...question.images.filter((key) => key.length === 64), ...imageKeys()])];
  if (box.dataset.keys !== keys.join()) {
    box.dataset.keys = keys.join();
    fill(box, ...keys.map(thumb));
  }
  const sign = `${box.dataset.keys}|${question.images}`;
  if (box.dataset.sign === sign) return;
  box.dataset.sign = sign;
  const first = question.images[0];
  for (const button of box.querySelectorAll("[data-image]")) {
    const isChosen = question.images.includes(button.dataset.image);
    button.setAttribute("aria-pressed", String(isChosen));
    button.tabIndex = button.dataset.image === first ? 0 : -1;
    const more = button.nextElementSibling;
    const takes = isChosen && question.images.length > 1;
    more.textContent = takes ? "−" : "+";
    more.setAttribute("aria-label", `${takes ? "Take away" : "Show beside the others"}: ${labelOf(button.dataset.image)}`);
    more.hidden = isChosen && !takes;
  }
};

// Classes -------------------------------------------------------------------------------------------------------------

let classFilter = "";

// Of a segmentation one asks where it sees a class.
const ofClass = (/** @type {number|string} */ k) => `${about.model.kind === "segmentation" ? "region" : "class"}:${k}`;
const askedClass = () => /^(?:class|region):(\d+)$/.exec(question.quantity)?.[1] ?? null;
const askedSides = () => /^margin:(\d+),(\d+)$/.exec(question.quantity)?.slice(1) ?? null;

const showClasses = () => {
  const box = byId("classes");
  const answer = answerTo({ of: "scores", image: question.images[0] });
  if (answer.state !== "done") {
    if (box.dataset.of !== signOf(answer)) fill(box, waiting(answer));
    box.dataset.of = signOf(answer);
    return;
  }
  const count = answer.data.logits.length;
  if (box.dataset.of !== answer.query) {
    box.dataset.of = answer.query;
    box.dataset.listed = "";
    fill(box,
      count > 2 * FEW && make("input", { type: "search", "data-filter": "classes", placeholder: `Find one of ${count} classes`, "aria-label": "Find a class", value: classFilter, oninput: (/** @type {Event} */ event) => { classFilter = event.target.value.toLowerCase(); showClasses(); } }),
      make("div", { className: "rows" }), make("p", { className: "quiet" }));
  }
  // Drawn anew while an answer comes in, it would take the focus from who is at it.
  const signature = `${question.quantity} ${classFilter}`;
  if (box.dataset.listed === signature) return;
  box.dataset.listed = signature;
  listClasses(box, answer.data);
};

const listClasses = (/** @type {HTMLElement} */ box, /** @type {any} */ { logits, probabilities, predicted, trueClass }) => {
  const ranked = logits.map((/** @type {number} */ _, /** @type {number} */ k) => k).sort((/** @type {number} */ a, /** @type {number} */ b) => logits[b] - logits[a]);
  const seen = classFilter
    ? ranked.filter((/** @type {number} */ k) => about.classes[k].toLowerCase().includes(classFilter) || String(k) === classFilter)
    : logits.length <= 2 * FEW ? ranked : ranked.slice(0, FEW);
  const sides = askedSides();
  const first = sides?.[0] ?? askedClass() ?? String(predicted);
  const row = (/** @type {number} */ k) => {
    const isAsked = askedClass() === String(k) || Boolean(sides?.includes(String(k))) || (question.quantity === "predicted" && k === predicted);
    const truth = k === trueClass ? make("span", { className: "true", title: "The true class" }, " true") : null;
    const bar = make("span", { className: "bar", "aria-hidden": "true" });
    bar.style.width = `${100 * Math.max(0, Math.min(1, probabilities[k] ?? 0))}%`;
    const why = `Why ${classOf(first)} rather than ${about.classes[k]}`;
    return make("div", { className: "row" },
      make("button", { type: "button", "data-class": k, "aria-pressed": String(isAsked), title: `Explain the score of ${about.classes[k]}`, onclick: () => change({ quantity: ofClass(k) }) },
        make("span", { className: "name" }, about.classes[k], truth), make("span", { className: "number" }, `${percent(probabilities[k])} · ${three(logits[k])}`), bar),
      make("button", { type: "button", "data-against": k, disabled: String(k) === first, "aria-pressed": String(sides?.[1] === String(k)), "aria-label": why, title: why, onclick: () => change({ quantity: `margin:${first},${k}` }) }, "vs"));
  };
  fill(/** @type {Element} */ (box.querySelector(".rows")), ...seen.slice(0, MOST_ROWS).map(row));
  fill(/** @type {Element} */ (box.querySelector("p")), document.createTextNode("Probability and logit. A click asks for a class; "), make("b", {}, "vs"), document.createTextNode(` asks why ${classOf(first)} and not the other.`));
};

// Quantity ------------------------------------------------------------------------------------------------------------

const showQuantity = () => {
  const box = byId("quantity");
  if (!box.firstChild)
    fill(box,
      make("p", { id: "asked" }),
      make("div", { className: "actions" },
        make("button", { type: "button", "data-quantity": "predicted", onclick: () => change({ quantity: "predicted" }) }, "The predicted class"),
        about.images.trueClasses && make("button", { type: "button", "data-quantity": "true", onclick: () => change({ quantity: "true" }) }, "The true class")),
      make("details", {}, make("summary", {}, "Spell it out"),
        make("form", { onsubmit: (/** @type {Event} */ event) => { event.preventDefault(); change({ quantity: byId("spelled").value.trim() || "predicted" }); } },
          make("label", { className: "quiet" }, "class:K, margin:A,B, unit:LAYER,U, one-vs-rest:K, threshold:K,T, …", make("input", { type: "text", id: "spelled", autocomplete: "off", spellcheck: false })),
          make("div", { className: "actions" }, make("button", {}, "Ask")))));
  byId("asked").textContent = `Why ${asked()}?`;
  for (const button of box.querySelectorAll("[data-quantity]")) button.setAttribute("aria-pressed", String(button.dataset.quantity === question.quantity));
  if (document.activeElement?.id !== "spelled") byId("spelled").value = question.quantity;
};

// Methods -------------------------------------------------------------------------------------------------------------

const methodRow = (/** @type {any} */ method) =>
  make("label", { className: method.applies ? "choice" : "choice off", title: method.applies ? method.formula : "The network has not what this method is about." },
    make("input", { type: "checkbox", "data-method": method.name, disabled: !method.applies, onchange: (/** @type {Event} */ event) => toggleMethod(method.name, event.target.checked) }),
    make("span", {}, method.title, !method.applies && make("small", {}, " not for this network")));

const toggleMethod = (/** @type {string} */ name, /** @type {boolean} */ on) => {
  const others = question.methods.filter((other) => other !== name);
  // One is always asked.
  if (on || others.length > 0) change({ methods: on ? [...others, name].slice(-MOST_METHODS) : others });
  else showMethods();
};

const settingField = (/** @type {any} */ setting) => {
  const set = (/** @type {Event} */ event) => {
    const settings = { ...question.settings };
    if (event.target.value === setting.default || event.target.value === "") delete settings[setting.name];
    else settings[setting.name] = event.target.value;
    change({ settings });
  };
  const value = question.settings[setting.name] ?? setting.default;
  const id = `setting-${setting.name}`;
  const choices = setting.kind === "layer" ? ["", ...about.layers.map((/** @type {any} */ layer) => layer.name)] : setting.choices;
  const field = choices
    ? make("select", { id, "data-setting": setting.name, onchange: set }, ...choices.map((/** @type {string} */ choice) => make("option", { value: choice, selected: choice === value }, choice || about.mapLayer || "usual")))
    : make("input", { id, type: "text", inputMode: "decimal", "data-setting": setting.name, value, placeholder: "usual", onchange: set });
  return [make("label", { htmlFor: id }, setting.title), field];
};

const showMethods = () => {
  const box = byId("methods");
  if (!box.firstChild)
    fill(box, make("div", { className: "list", role: "group", "aria-labelledby": "methods-title" }, ...about.methods.map(methodRow)),
      make("div", { className: "settings", role: "group", "aria-label": "Settings of the methods" }),
      make("details", {}, make("summary", {}, "What each method computes"), make("dl", {}, ...about.methods.flatMap((/** @type {any} */ method) => [make("dt", {}, method.title), make("dd", {}, method.formula, make("br"), method.source)]))));
  for (const input of box.querySelectorAll("[data-method]")) input.checked = question.methods.includes(input.dataset.method);
  const used = new Set(question.methods.flatMap((name) => methodOf(name).uses));
  const fields = about.settings.filter((/** @type {any} */ setting) => used.has(setting.usedBy));
  const settings = box.querySelector(".settings");
  const signature = JSON.stringify([fields.map((/** @type {any} */ f) => f.name), question.settings]);
  if (settings.dataset.signature !== signature) {
    settings.dataset.signature = signature;
    fill(settings, ...fields.flatMap(settingField));
  }
};

/** Only the settings that concern a method are part of its question. */
const settingsOf = (/** @type {string} */ name) =>
  Object.fromEntries(Object.entries(question.settings).filter(([setting]) => methodOf(name).uses.includes(settingOf(setting).usedBy)));

/** What stands in the place of an answer that is not there yet. */
const waiting = (/** @type {Answer} */ answer) => {
  if (answer.state === "failed") return make("div", { className: "waits failed", role: "alert" }, answer.sentence);
  if (answer.state === "working")
    return make("div", { className: "waits" }, make("div", {}, make("progress", { max: 1, value: answer.share, "aria-label": "How far it is" }), answer.stage || "Computing…"));
  return make("div", { className: "waits" }, answer.ahead > 0 ? `${answer.ahead} before it` : "Asked…");
};
