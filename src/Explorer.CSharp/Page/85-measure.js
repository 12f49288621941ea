// How good the maps are, by metrics, for one image or for all.

/** The metric by which methods are sorted, and whether its better end is last. */
let sortedBy = "", isTurned = false;

const showMeasure = (/** @type {HTMLElement} */ view) => {
  if (!view.querySelector(".metrics")) fill(view, measureTools(), make("div", { id: "scores", className: "scroll" }), make("div", { id: "measure-code" }));
  for (const input of view.querySelectorAll("input[data-choose]")) input.checked = question.metrics.includes(input.dataset.choose);
  for (const button of view.querySelectorAll("[data-over]")) button.setAttribute("aria-pressed", String(button.dataset.over === question.over));
  const box = view.querySelector("#scores");
  if (question.metrics.length === 0) { refill(box, "none", () => [make("p", { className: "quiet" }, "Choose a metric.")]); return; }
  const found = question.methods.map((method) => ({ method, answer: answerTo({
    of: "measure", image: question.over === "all" ? "all" : question.images[0], method, metrics: question.metrics.join(","), quantity: question.quantity, ...settingsOf(method),
    ...(method === "influence-directed" ? { layer: question.layer, distribution: question.distribution === "all" ? "" : question.distribution } : {}),
  }) }));
  refill(box, [sortedBy, isTurned, question.metrics, ...found.map((one) => signOf(one.answer))].join("|"), () => [scoreTable(found)]);
  const done = found.find((one) => one.answer.state === "done");
  const code = view.querySelector("#measure-code");
  if (code.dataset.of !== (done?.answer.query ?? "")) {
    code.dataset.of = done?.answer.query ?? "";
    fill(code, ...(done ? [
      !saved && make("div", { className: "actions" }, ...found.map((one) => make("a", { className: "button", href: `export?as=csv&${one.answer.query}`, download: "" }, `CSV of ${methodOf(one.method).title}`))),
      asCode(done.answer.data.lines)] : []));
  }
};

const measureTools = () =>
  make("div", {},
    make("p", { className: "quiet" }, "How good is each map? Of all images the mean is shown, with the 95 % interval of the bootstrap. Maps that are not sound take no part in it."),
    make("div", { className: "tools" }, make("div", { role: "group", "aria-label": "Over" },
      make("button", { type: "button", "data-over": "image", onclick: () => change({ over: "image" }) }, "This image"),
      make("button", { type: "button", "data-over": "all", onclick: () => change({ over: "all" }) }, `All ${about.images.count} images`))),
    make("details", { open: true }, make("summary", {}, "Metrics"),
      make("div", { className: "metrics", role: "group", "aria-label": "Metrics" }, ...about.metrics.map((/** @type {any} */ metric) =>
        make("label", { className: "choice", title: metric.formula }, make("input", { type: "checkbox", "data-choose": metric.name, onchange: (/** @type {Event} */ event) =>
          change({ metrics: about.metrics.map((/** @type {any} */ one) => one.name).filter((/** @type {string} */ name) => name === metric.name ? event.target.checked : question.metrics.includes(name)) }) }), metric.title)))),
    make("details", {}, make("summary", {}, "What each metric computes"), make("dl", {}, ...about.metrics.flatMap((/** @type {any} */ metric) =>
      [make("dt", {}, metric.title), make("dd", {}, metric.formula, make("br"), `${BETTER[metric.better]}${metric.range ? `; ${metric.range}` : ""}. ${metric.source}`)]))));

const BETTER = { higher: "Higher is better", lower: "Lower is better", neither: "Neither end is better" };

const rowOf = (/** @type {Answer} */ answer, /** @type {string} */ metric) => answer.data?.rows.find((/** @type {any} */ row) => row.metric === metric);

const bestOf = (/** @type {any[]} */ found, /** @type {any} */ metric) => {
  const values = found.map((one) => rowOf(one.answer, metric.name)).filter((row) => row && !row.failure && row.value !== null && !row.unsound).map((row) => row.value);
  if (values.length < 2 || metric.better === "neither") return null;
  return metric.better === "higher" ? Math.max(...values) : Math.min(...values);
};

/** By the chosen metric; what has no value comes last either way. */
const sorted = (/** @type {any[]} */ found, /** @type {boolean} */ up) => {
  const value = (/** @type {any} */ one) => rowOf(one.answer, sortedBy)?.value ?? null;
  const [some, none] = [found.filter((one) => value(one) !== null), found.filter((one) => value(one) === null)];
  return [...some.sort((a, b) => up ? value(a) - value(b) : value(b) - value(a)), ...none];
};

const scoreTable = (/** @type {any[]} */ found) => {
  const metrics = question.metrics.map(metricOf);
  const up = (metricOf(sortedBy)?.better !== "higher") !== isTurned;
  const rows = sortedBy && question.metrics.includes(sortedBy) ? sorted(found, up) : found;
  const head = (/** @type {any} */ metric) => make("th", { scope: "col", "aria-sort": sortedBy === metric.name ? (up ? "ascending" : "descending") : "none" },
    make("button", { type: "button", "data-sort": metric.name, title: `${BETTER[metric.better]}. Sort by it`, onclick: () => { isTurned = sortedBy === metric.name && !isTurned; sortedBy = metric.name; soon(); } }, metric.title), make("small", { className: "quiet" }, ` ${BETTER[metric.better].toLowerCase()}`));
  const cell = (/** @type {any} */ one, /** @type {any} */ metric) => {
    const row = rowOf(one.answer, metric.name);
    const shell = (/** @type {...any} */ ...parts) => make("td", { className: "n", "data-metric": metric.name, "data-method-row": one.method }, ...parts);
    if (one.answer.state === "failed") return shell(make("small", { className: "said" }, one.answer.sentence));
    if (one.answer.state !== "done") return shell(make("small", {}, one.answer.state === "working" ? percent(one.answer.share) : "asked"));
    if (row.failure) return shell(make("small", { className: "said" }, row.failure));
    const isBest = row.value !== null && row.value === bestOf(found, metric);
    return shell(make("span", { className: isBest ? "best" : "" }, score(row.value)), isBest && " best", row.low !== null && row.low !== undefined && make("small", {}, `${score(row.low)} to ${score(row.high)}`),
      row.unsound > 0 && make("small", { className: "said" }, `${row.unsound} map${row.unsound === 1 ? "" : "s"} not sound`));
  };
  const what = question.over === "all" ? `All ${about.images.count} images` : capital(labelOf(question.images[0]));
  return make("table", {}, make("caption", { className: "quiet" }, `${what}, ${found.find((one) => one.answer.data)?.answer.data.of ?? "the class's score"}`),
    make("thead", {}, make("tr", {}, make("th", { scope: "col" }, "Method"), ...metrics.map(head))),
    make("tbody", {}, ...rows.map((one) => make("tr", {}, make("th", { scope: "row" }, methodOf(one.method).title), ...metrics.map((metric) => cell(one, metric))))));
};
