// Maps side by side, and the score while pixels go.

/** The cells whose pixels a person takes away, and how many. @type {Map<string, number>} */
const removals = new Map();

const mapWords = (/** @type {string} */ image, /** @type {string} */ method) => ({
  of: "map", image, method, quantity: question.quantity, ...settingsOf(method),
  ...(method === "influence-directed" ? { layer: question.layer, distribution: question.distribution === "all" ? "" : question.distribution } : {}),
});

const showMaps = (/** @type {HTMLElement} */ view) => {
  if (!view.querySelector(".maps"))
    fill(view, tools(), make("div", { className: "maps" }));
  syncTools(view);
  const grid = view.querySelector(".maps");
  grid.style.setProperty("--across", String(1 + question.methods.length));
  grid.classList.toggle("wide", question.methods.length > 3);
  const known = new Map([...grid.children].map((child) => [child.dataset.cell ?? child.dataset.plain, child]));
  const cells = question.images.flatMap((image) => question.methods.map((method) => ({ id: `${image}|${method}`, image, method })));
  const figureOf = (/** @type {any} */ cell) => known.get(cell.id) ?? make("figure", { "data-cell": cell.id });
  const figures = question.images.flatMap((image) => [known.get(image) ?? plain(image), ...cells.filter((cell) => cell.image === image).map(figureOf)]);
  if (figures.length !== grid.children.length || figures.some((figure, i) => grid.children[i] !== figure)) fill(grid, ...figures);
  const shared = sharedScale(cells.map((cell) => answerTo(mapWords(cell.image, cell.method))));
  for (const cell of cells) showCell(figures.find((figure) => figure.dataset.cell === cell.id), cell, shared);
};

/** The image itself. */
const plain = (/** @type {string} */ image) => {
  const canvas = make("canvas", { role: "img", "aria-label": imageWords(image) });
  pixelsOf(image).then((pixels) => drawPlain(canvas, pixels), () => null);
  const truth = image.length < 64 ? about.images.trueClasses?.[Number(image)] : undefined;
  return make("figure", { "data-plain": image }, canvas, make("figcaption", {}, make("b", {}, capital(labelOf(image))), truth === undefined ? "" : ` · ${about.classes[truth]}`));
};

/** The largest magnitude, and the largest number, of all maps that are there. */
const sharedScale = (/** @type {Answer[]} */ all) => ({
  magnitude: Math.max(0, ...all.filter((one) => one.data).map((one) => one.data.magnitude)),
  largest: Math.max(0, ...all.filter((one) => one.data).map((one) => one.data.largest)),
});

const tools = () => {
  const choice = (/** @type {string} */ name, /** @type {Record<string, string>} */ among) =>
    Object.entries(among).map(([value, title]) => make("button", { type: "button", [`data-${name}`]: value, onclick: () => change({ [name]: value }) }, title));
  return make("div", {},
    make("p", { className: "quiet", id: "reading" }),
    make("div", { className: "tools" },
      make("div", { role: "group", "aria-label": "Draw as" }, ...choice("show", SHOWS)),
      make("div", { role: "group", "aria-label": "Scale" }, ...choice("scale", { own: "Own scales", shared: "One scale for all" })),
      make("div", {}, make("label", { htmlFor: "opacity" }, "Opacity"),
        make("input", { type: "range", id: "opacity", min: 0, max: 1, step: 0.05, oninput: (/** @type {Event} */ event) => change({ opacity: Number(event.target.value) }, true) })),
      make("div", { className: "legend" }, make("span", { id: "least" }), scaleBar(), make("span", { id: "most" }))));
};

const READING = {
  heat: "Red pixels speak for it, blue ones against it: the deeper, the more (by the square root of their share).",
  cloud: "The brighter a pixel, the more it speaks for it; what speaks against it is black.",
  mask: "What speaks for it, by more than a fifth of the largest, is seen; the rest is dim.",
};

const syncTools = (/** @type {HTMLElement} */ view) => {
  view.querySelector("#reading").textContent = `Why ${asked()}? ${READING[question.show]}`;
  for (const name of ["show", "scale"])
    for (const button of view.querySelectorAll(`[data-${name}]`)) button.setAttribute("aria-pressed", String(button.dataset[name] === question[name]));
  const slider = view.querySelector("#opacity");
  slider.value = String(question.opacity);
  slider.setAttribute("aria-valuetext", percent(question.opacity));
  const all = question.images.flatMap((image) => question.methods.map((method) => answers.get(queryOf(mapWords(image, method)))).filter((one) => one?.data));
  const magnitude = question.scale === "shared" || all.length === 1 ? sharedScale(all).magnitude : 0;
  view.querySelector(".legend").hidden = question.show !== "heat";
  view.querySelector("#least").textContent = magnitude > 0 ? three(-magnitude) : "against";
  view.querySelector("#most").textContent = magnitude > 0 ? three(magnitude) : "for";
};

const showCell = (/** @type {HTMLElement} */ figure, /** @type {{id: string, image: string, method: string}} */ cell, /** @type {{magnitude: number, largest: number}} */ shared) => {
  const answer = answerTo(mapWords(cell.image, cell.method));
  const title = methodOf(cell.method).title;
  if (answer.state !== "done") {
    figure.dataset.state = answer.state;
    if (figure.dataset.shown === signOf(answer)) return;
    figure.dataset.shown = signOf(answer);
    fill(figure, waiting(answer), make("figcaption", {}, make("b", {}, title), ` · ${labelOf(cell.image)}`));
    return;
  }
  if (figure.dataset.shown !== answer.query) {
    figure.dataset.shown = answer.query;
    figure.dataset.drawn = "";
    fill(figure, ...cellParts(cell, answer, title));
  }
  const removed = removals.get(cell.id);
  const curve = removed === undefined ? null : answerTo({ ...mapWords(cell.image, cell.method), of: "curve" });
  const { magnitude, largest } = question.scale === "shared" ? shared : { magnitude: answer.data.magnitude, largest: Math.max(0, answer.data.largest) };
  const how = { show: question.show, opacity: question.opacity, magnitude, largest, removed: removed ?? 0, order: curve?.data ? numbersOf(curve.data, "order", Int32Array) : null };
  const signature = [how.show, how.opacity, magnitude, largest, how.removed, Boolean(how.order)].join();
  if (figure.dataset.drawn !== signature) {
    figure.dataset.drawn = signature;
    const canvas = figure.querySelector("canvas");
    pixelsOf(cell.image).then(
      (image) => { draw(canvas, image, answer.data, how); if (figure.dataset.drawn === signature) figure.dataset.state = "done"; },
      () => { figure.dataset.state = "failed"; fill(figure, waiting({ ...answer, state: "failed", sentence: "The image cannot be shown: choose another." })); });
  }
  showCurve(figure, cell, curve);
};

const cellParts = (/** @type {any} */ cell, /** @type {Answer} */ answer, /** @type {string} */ title) => {
  const data = answer.data;
  const seen = data.expert ? `What ${data.expert.noun} ${data.expert.unit} of layer ${data.expert.layer} sees` : title;
  return [
    make("canvas", { role: "img", "aria-label": `${seen} in ${labelOf(cell.image)} for ${inWords(question.quantity)}: ${peakOf(data)}` }),
    make("figcaption", {},
      make("b", {}, seen), ` · ${labelOf(cell.image)}`,
      data.stateSentence && make("p", { className: "dead" }, data.stateSentence),
      ...data.notes.map((/** @type {string} */ note) => make("p", { className: "quiet" }, note)),
      make("div", { className: "actions" },
        make("button", { type: "button", "data-remove": cell.id, onclick: () => toggleRemoval(cell.id) }, "Remove pixels"),
        ...(saved ? [] : ["png", "npz", "csv"].map((kind) => make("a", { className: "button", href: `export?as=${kind}&${answer.query}`, download: "", "data-export": kind, "aria-label": `Download ${title} of ${labelOf(cell.image)} as ${kind}` }, kind.toUpperCase())))),
      make("div", { className: "curve" }),
      make("details", {}, make("summary", {}, "Numbers"),
        make("p", { className: "quiet" }, `The score is ${three(data.value)}; the map sums to ${three(data.sum)}, from ${three(data.smallest)} to ${three(data.largest)}; ${peakOf(data)}. ${capital(data.description)}. It took ${data.seconds.toFixed(2)} s.`)),
      asCode(data.lines)),
  ];
};

const toggleRemoval = (/** @type {string} */ id) => {
  if (!removals.delete(id)) removals.set(id, 0);
  render();
};

/** The command and the programs that give the same. */
const asCode = (/** @type {any} */ lines) =>
  make("details", {}, make("summary", {}, "As code"),
    ...[["Command line", lines.command], ["C#", lines.csharp], ["F#", lines.fsharp]].flatMap(([title, text]) => [
      make("div", { className: "actions" }, make("b", {}, title), copier("Copy", () => text, { "aria-label": `Copy ${title}` })), make("pre", { tabIndex: 0, "aria-label": title }, text)]));

// The curve -----------------------------------------------------------------------------------------------------------

const CURVE = { width: 320, height: 120, left: 44, bottom: 22, top: 8, right: 8 };

const showCurve = (/** @type {HTMLElement} */ figure, /** @type {any} */ cell, /** @type {Answer|null} */ answer) => {
  const box = /** @type {HTMLElement} */ (figure.querySelector("div.curve"));
  figure.querySelector("[data-remove]").setAttribute("aria-pressed", String(Boolean(answer)));
  if (!answer) { box.dataset.of = ""; fill(box); return; }
  if (answer.state !== "done") {
    if (box.dataset.of !== signOf(answer)) fill(box, waiting(answer));
    box.dataset.of = signOf(answer);
    return;
  }
  const data = answer.data;
  const all = data.pixels.at(-1);
  if (box.dataset.of !== answer.query) {
    box.dataset.of = answer.query;
    fill(box, plot(data), make("input", {
      type: "range", min: 0, max: 100, step: 1, value: 0, "data-removed": cell.id, "aria-label": "Share of the pixels that are removed, the largest first",
      oninput: (/** @type {Event} */ event) => { playing = null; removals.set(cell.id, Math.round(all * Number(event.target.value) / 100)); soon(); },
    }), make("p", { className: "quiet" }),
      make("div", { className: "actions" }, make("button", { type: "button", "data-play": cell.id, onclick: () => play(cell.id, all) }, "Play")));
  }
  const removed = removals.get(cell.id);
  const share = Math.round(100 * removed / all);
  let k = data.pixels.findLastIndex((/** @type {number} */ pixels) => pixels <= removed);
  if (k < 0) k = 0;
  const words = `The score goes from ${three(data.scores[0])} to ${three(data.scores[k])} with ${share} % of the pixels gone, the largest first.`;
  const slider = box.querySelector("input");
  if (Number(slider.value) !== share) slider.value = String(share);
  slider.setAttribute("aria-valuetext", `${share} %, score ${three(data.scores[k])}`);
  box.querySelector("p").textContent = words;
  box.querySelector("[data-play]").textContent = playing?.id === cell.id ? "Stop" : "Play";
  const x = CURVE.left + (CURVE.width - CURVE.left - CURVE.right) * removed / all;
  const now = box.querySelector(".now");
  now.setAttribute("x1", String(x));
  now.setAttribute("x2", String(x));
};

const plot = (/** @type {any} */ data) => {
  const known = data.scores.filter((/** @type {number|null} */ value) => value !== null);
  const [least, most] = [Math.min(0, ...known), Math.max(0, ...known)];
  const across = CURVE.width - CURVE.left - CURVE.right, down = CURVE.height - CURVE.top - CURVE.bottom;
  const x = (/** @type {number} */ pixels) => CURVE.left + across * pixels / data.pixels.at(-1);
  const y = (/** @type {number} */ value) => CURVE.top + down * (most - value) / (most - least || 1);
  const line = data.pixels.map((/** @type {number} */ pixels, /** @type {number} */ i) => `${i ? "L" : "M"}${x(pixels).toFixed(1)} ${y(data.scores[i] ?? 0).toFixed(1)}`).join("");
  const bottom = CURVE.top + down;
  return make("svg", { class: "curve", viewBox: `0 0 ${CURVE.width} ${CURVE.height}`, role: "img", "aria-label": `The score while pixels go: from ${three(data.scores[0])} to ${three(data.scores.at(-1))}` },
    make("line", { x1: CURVE.left, x2: CURVE.left + across, y1: y(0), y2: y(0) }),
    make("line", { x1: CURVE.left, x2: CURVE.left, y1: CURVE.top, y2: bottom }),
    make("path", { d: line }),
    make("line", { class: "now", x1: CURVE.left, x2: CURVE.left, y1: CURVE.top, y2: bottom }),
    make("text", { x: CURVE.left - 5, y: CURVE.top + 9, "text-anchor": "end" }, three(most)),
    make("text", { x: CURVE.left - 5, y: bottom, "text-anchor": "end" }, three(least)),
    make("text", { x: CURVE.width - CURVE.right, y: CURVE.top + 9, "text-anchor": "end" }, "score"),
    make("text", { x: CURVE.left, y: CURVE.height - 6 }, "no pixel removed"),
    make("text", { x: CURVE.width - CURVE.right, y: CURVE.height - 6, "text-anchor": "end" }, "all"));
};

/** The cell whose pixels go by themselves. @type {{ id: string }|null} */
let playing = null;

/** Takes all pixels away, step by step, until it is pressed again; at once where motion is not wanted. */
const play = (/** @type {string} */ id, /** @type {number} */ all) => {
  if (playing?.id === id) { playing = null; soon(); return; }
  if (matchMedia("(prefers-reduced-motion: reduce)").matches) { removals.set(id, all); soon(); return; }
  const run = { id };
  playing = run;
  let share = 0;
  const step = () => {
    if (playing !== run) return;
    if (removals.has(id)) removals.set(id, Math.round(all * share / 100));
    if (share < 100 && removals.has(id)) setTimeout(step, 40);
    else playing = null;
    share += 1;
    soon();
  };
  step();
};
