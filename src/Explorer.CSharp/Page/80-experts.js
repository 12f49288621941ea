// The units of a layer that decide: when they are active, what they see, what they tell apart.

const SHOWN_UNITS = 8, SHOWN_IMAGES = 4;

const showExperts = (/** @type {HTMLElement} */ view) => {
  if (!view.querySelector(".pickers")) fill(view, pickers(), make("div", { id: "found" }));
  syncPickers(view);
  const box = view.querySelector("#found");
  if (!about.model.canCut) {
    box.dataset.shown = "";
    fill(box, make("p", { className: "said" }, "This kind of file has no layers that can be cut: give an .onnx file."));
    return;
  }
  if (!/^(class|region|margin|one-vs-rest|predicted|true|threshold)/.test(question.quantity)) {
    box.dataset.shown = "";
    fill(box, make("p", { className: "quiet" }, `A unit is asked about (${inWords(question.quantity)}). Choose a class, or two, to see which units decide on them.`));
    return;
  }
  const answer = answerTo({ of: "experts", layer: question.layer, quantity: question.quantity, distribution: question.distribution === "all" ? "" : question.distribution, top: SHOWN_UNITS });
  if (answer.state !== "done") {
    if (box.dataset.shown !== signOf(answer)) fill(box, waiting(answer));
    box.dataset.shown = signOf(answer);
    return;
  }
  const data = answer.data;
  if (box.dataset.shown !== answer.query) {
    box.dataset.shown = answer.query;
    fill(box, ...expertParts(data));
  }
  for (const figure of box.querySelectorAll("[data-seen]")) showSeen(figure, data.layer);
};

const pickers = () => {
  const options = () => about.classes.map((/** @type {string} */ name, /** @type {number} */ k) => make("option", { value: k }, name));
  const pick = () => {
    const [a, b] = [byId("expert-a").value, byId("expert-b").value];
    change({ quantity: a === "" ? "predicted" : b === "" || a === b ? ofClass(a) : `margin:${a},${b}` });
  };
  return make("div", { className: "pickers" },
    make("label", {}, "Which units speak for", make("select", { id: "expert-a", onchange: pick }, make("option", { value: "" }, "the predicted class"), ...options())),
    make("label", {}, "rather than", make("select", { id: "expert-b", onchange: pick }, make("option", { value: "" }, "(nothing else)"), ...options())),
    make("label", {}, "in layer", make("select", { id: "expert-layer", onchange: (/** @type {Event} */ event) => change({ layer: event.target.value }) }, ...about.layers.slice(1, -1).map((/** @type {any} */ layer) => make("option", { value: layer.name }, `${layer.name} (${layer.units})`)))),
    make("label", {}, "over", make("select", { id: "expert-over", onchange: (/** @type {Event} */ event) => change({ distribution: event.target.value === "chosen" ? `class:${askedSides()?.join() ?? askedClass() ?? 0}` : event.target.value }) },
      make("option", { value: "all" }, `all ${about.images.count} images`), about.images.trueClasses && make("option", { value: "own" }, "the images of these classes"),
      about.images.trueClasses && make("option", { value: "chosen" }, "the images of chosen classes"))),
    make("label", { id: "expert-chosen", hidden: true }, "which are (several with Ctrl)", make("select", { id: "expert-classes", multiple: true, size: 4, onchange: pickClasses }, ...options())));
};

/** At least one class is left. */
const pickClasses = (/** @type {Event} */ event) => {
  const chosen = [...event.target.selectedOptions].map((option) => option.value);
  if (chosen.length > 0) change({ distribution: `class:${chosen}` });
};

const chosenClasses = () => /^class:([\d,]+)$/.exec(question.distribution)?.[1].split(",") ?? null;

const syncPickers = (/** @type {HTMLElement} */ view) => {
  const sides = askedSides() ?? [askedClass() ?? "", ""];
  view.querySelector("#expert-a").value = sides[0];
  view.querySelector("#expert-b").value = sides[1];
  view.querySelector("#expert-layer").value = question.layer;
  const chosen = chosenClasses();
  view.querySelector("#expert-over").value = chosen ? "chosen" : question.distribution;
  view.querySelector("#expert-chosen").hidden = !chosen;
  // Set one by one only where it differs, since a list that is set anew scrolls to its beginning.
  for (const option of view.querySelector("#expert-classes").options) {
    const isChosen = Boolean(chosen?.includes(option.value));
    if (option.selected !== isChosen) option.selected = isChosen;
  }
};

const expertParts = (/** @type {any} */ data) => {
  const most = Math.max(...[...data.top, ...data.bottom].map((unit) => Math.abs(unit.influence)), 1e-300);
  return [
    make("p", {}, `Of ${data.units} ${data.noun}s of layer ${data.layer}, those with most influence on ${inWords(data.quantity)}, over ${data.instances} images.`),
    data.warning && make("p", { className: "dead" }, data.warning.replace(/, --layer \S+/, "")),
    data.remedy && make("div", { className: "actions" }, make("button", { type: "button", "data-remedy": data.remedy, onclick: () => change({ layer: data.remedy }) }, `Cut at ${data.remedy} instead`)),
    make("div", { className: "experts" }, ...data.top.map((/** @type {any} */ unit) => card(data, unit, most))),
    data.bottom.length > 0 && make("h3", {}, "Against it"),
    data.bottom.length > 0 && make("div", { className: "experts" }, ...data.bottom.map((/** @type {any} */ unit) => card(data, unit, most))),
    asCode(data.lines),
  ];
};

const card = (/** @type {any} */ data, /** @type {any} */ unit, /** @type {number} */ most) => {
  const bar = make("div", { className: `influence ${unit.influence > 0 ? "up" : "down"}`, "aria-hidden": "true" });
  bar.style.width = `${Math.max(0.5, 100 * Math.abs(unit.influence) / most)}%`;
  const active = unit.classes.filter((/** @type {any} */ of) => of.activeShare > 0).sort((/** @type {any} */ a, /** @type {any} */ b) => b.activeShare - a.activeShare).slice(0, 4);
  return make("article", { className: "expert", "data-unit": unit.unit, "aria-label": `${capital(data.noun)} ${unit.unit}` },
    make("div", { className: "head" }, make("h3", {}, `${capital(data.noun)} ${unit.unit}`), make("span", { className: "number" }, `influence ${three(unit.influence)}`),
      make("span", { className: unit.isDead ? "dead" : "quiet" }, unit.isDead ? "dead: active on no image" : `active on ${percent(unit.activeShare)} of the images`),
      unit.auc !== null && make("span", { className: "quiet" }, unit.auc < 0.5 ? `${data.aucOpposite} with AUC ${(1 - unit.auc).toFixed(2)}` : `${data.aucMeaning} with AUC ${unit.auc.toFixed(2)}`)),
    bar,
    active.length > 0 && make("p", { className: "quiet" }, `Active on ${active.map((/** @type {any} */ of) => `${percent(of.activeShare)} of ${about.classes[of.class]}`).join(", ")}.`),
    make("div", { className: "seen" }, ...unit.mostActive.slice(0, SHOWN_IMAGES).map((/** @type {any} */ one) => make("figure", { "data-seen": `${one.image}|${unit.unit}`, "data-value": one.value }))),
    make("div", { className: "actions" }, make("button", { type: "button", "data-ask": unit.unit, onclick: () => change({ quantity: `unit:${data.layer},${unit.unit}`, view: "maps" }) }, "Ask about it")));
};

/** What a unit sees in one of its images. */
const showSeen = (/** @type {HTMLElement} */ figure, /** @type {string} */ layer) => {
  const [image, unit] = figure.dataset.seen.split("|");
  const answer = answerTo({ of: "map", image, method: "saliency", quantity: `unit:${layer},${unit}` });
  if (answer.state !== "done") { refill(figure, signOf(answer), () => [waiting(answer)]); return; }
  if (figure.dataset.drawn) return;
  figure.dataset.drawn = "true";
  const itself = make("canvas", { role: "img", "aria-label": imageWords(image) });
  const canvas = make("canvas", { role: "img", "aria-label": `What it sees in ${imageWords(image)}: ${answer.data.stateSentence || peakOf(answer.data)}` });
  fill(figure, itself, canvas, make("figcaption", { className: "quiet" }, `${labelOf(image)} · ${three(Number(figure.dataset.value))}`));
  pixelsOf(image).then((pixels) => {
    drawPlain(itself, pixels);
    drawSeen(canvas, pixels, answer.data);
  }, () => null);
};
