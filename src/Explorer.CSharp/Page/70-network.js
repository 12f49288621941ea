// The network as its graph: a row a layer, with lanes for its branches; a click is the cut.

const ROW = 32, LANE = 14;
let layerFilter = "";

/** The lane of each layer, and the lines to what it is computed of, as in a log of branches. */
const lanesOf = (/** @type {any[]} */ layers) => {
  const at = new Map(layers.map((layer, i) => [layer.name, i]));
  const lastUse = new Map();
  layers.forEach((layer, i) => layer.inputs.forEach((/** @type {string} */ input) => lastUse.set(input, i)));
  /** Until which row a lane is taken. @type {number[]} */
  const taken = [];
  const lane = new Map();
  const isTaken = new Set();
  layers.forEach((layer, i) => {
    // A layer goes on in the lane of the first input that nothing else has gone on from.
    const before = layer.inputs.find((/** @type {string} */ input) => !isTaken.has(input));
    let own = before === undefined ? -1 : lane.get(before);
    if (own >= 0) isTaken.add(before);
    else {
      own = taken.findIndex((until) => until <= i);
      if (own < 0) own = taken.length;
    }
    lane.set(layer.name, own);
    taken[own] = lastUse.get(layer.name) ?? i;
  });
  const lines = layers.flatMap((layer, i) => layer.inputs.filter((/** @type {string} */ input) => at.has(input)).map((/** @type {string} */ input) => ({ from: at.get(input), to: i, fromLane: lane.get(input), toLane: lane.get(layer.name) })));
  return { lane, lines, count: Math.max(1, taken.length) };
};

const COLOURS = ["--accent", "--for", "--right", "--muted"];

const lanesDrawn = (/** @type {any[]} */ layers) => {
  const { lane, lines, count } = lanesOf(layers);
  // Of very wide networks the lanes lie closer.
  const step = Math.min(LANE, 120 / count);
  const x = (/** @type {number} */ of) => 12 + step * of;
  const y = (/** @type {number} */ row) => ROW * row + ROW / 2;
  const width = 24 + step * (count - 1);
  const svg = make("svg", { width, height: ROW * layers.length, "aria-hidden": "true" });
  for (const { from, to, fromLane, toLane } of lines) {
    const side = Math.max(fromLane, toLane);
    // It leaves its lane at once, and comes back just before its end.
    const bend = (/** @type {number} */ of, /** @type {number} */ start, /** @type {number} */ end) => `C${x(of)} ${(start + end) / 2}, ${x(side)} ${(start + end) / 2}, ${x(side)} ${end}`;
    const back = `C${x(side)} ${y(to) - ROW / 2}, ${x(toLane)} ${y(to) - ROW / 2}, ${x(toLane)} ${y(to)}`;
    const path = fromLane !== side && to > from + 1 || fromLane !== side && toLane === side
      ? `M${x(fromLane)} ${y(from)}${bend(fromLane, y(from), y(from) + ROW)}L${x(side)} ${toLane === side ? y(to) : y(to) - ROW}${toLane === side ? "" : back}`
      : `M${x(fromLane)} ${y(from)}L${x(fromLane)} ${y(to) - ROW}${back}`;
    const drawn = make("path", { d: path });
    drawn.style.stroke = `var(${COLOURS[side % COLOURS.length]})`;
    svg.append(drawn);
  }
  layers.forEach((layer, i) => {
    const dot = make("circle", { cx: x(lane.get(layer.name)), cy: y(i), r: 4 });
    dot.style.fill = `var(${COLOURS[lane.get(layer.name) % COLOURS.length]})`;
    svg.append(dot);
  });
  return { svg, width };
};

/** By its place, since names of layers may hold spaces. */
const rowId = (/** @type {any} */ layer) => `layer-${about.layers.indexOf(layer)}`;

const layerRow = (/** @type {any} */ layer, /** @type {number} */ indent) => {
  const row = make("div", { role: "option", "data-layer": layer.name, id: rowId(layer), "aria-selected": "false", title: `${layer.name}: ${layer.operation}`, onclick: () => pickLayer(layer.name) },
    make("span", {}, layer.name), make("span", { className: "quiet operation" }, [layer.operation, layer.note].filter(Boolean).join(" · ")),
    make("span", { className: "quiet number" }, layer.shape.join("×")));
  row.style.paddingLeft = `${indent}px`;
  return row;
};

/** Makes a unit of the layer, by its number, the question. */
const askUnit = (/** @type {Event} */ event) => {
  event.preventDefault();
  change({ quantity: `unit:${question.layer},${Number(byId("unit").value)}`, view: "maps" });
};

const pickLayer = (/** @type {string} */ name) => change({ layer: name });

const showNetwork = (/** @type {HTMLElement} */ view) => {
  if (!view.querySelector("#graph")) {
    fill(view,
      make("p", { className: "quiet" }, "From the image on top to the scores. The layer that is chosen is where experts are sought, and where influence-directed maps cut."),
      make("div", { className: "tools" }, make("label", { htmlFor: "layers-filter" }, "Find a layer"), make("input", { type: "search", id: "layers-filter", value: layerFilter, oninput: (/** @type {Event} */ event) => { layerFilter = event.target.value.toLowerCase(); listLayers(); }, onkeydown: (/** @type {KeyboardEvent} */ event) => { if (event.key === "ArrowDown") byId("graph").focus(); } })),
      make("div", { className: "graph", id: "graph", role: "listbox", tabIndex: 0, "aria-label": "Layers of the network", onkeydown: graphKeys }),
      make("p", { id: "cut", role: "status" }),
      make("div", { className: "actions" },
        make("button", { type: "button", "data-go": "experts", onclick: () => change({ view: "experts" }) }, "Experts of this layer"),
        make("button", { type: "button", "data-go": "influence", onclick: () => change({ view: "maps", methods: [...new Set([...question.methods, "influence-directed"])] }) }, "What its expert sees"),
        make("form", { className: "unit", onsubmit: askUnit }, make("label", { htmlFor: "unit" }, "Unit"), make("input", { type: "text", id: "unit", inputMode: "numeric", pattern: "\\d+", required: true, size: 6 }), make("button", { "data-go": "unit" }, "Ask about it"))));
    listLayers();
  }
  const chosen = layerOf(question.layer);
  view.querySelector("#cut").textContent = about.model.canCut
    ? chosen ? `Cut at ${chosen.name}: ${chosen.units} ${chosen.noun}${chosen.units === 1 ? "" : "s"}.` : "No layer is chosen."
    : "This kind of file has no layers that can be cut: give an .onnx file.";
  for (const button of view.querySelectorAll("[data-go]")) button.disabled = !about.model.canCut || !chosen;
  for (const row of view.querySelectorAll("[data-layer]")) row.setAttribute("aria-selected", String(row.dataset.layer === question.layer));
  const at = byId("graph");
  if (chosen && document.getElementById(rowId(chosen))) at.setAttribute("aria-activedescendant", rowId(chosen));
  else at.removeAttribute("aria-activedescendant");
  if (at.dataset.at !== question.layer) {
    at.dataset.at = question.layer;
    const row = at.querySelector(`[data-layer="${CSS.escape(question.layer)}"]`);
    if (row && (row.offsetTop < at.scrollTop || row.offsetTop + ROW > at.scrollTop + at.clientHeight)) at.scrollTop = row.offsetTop - at.clientHeight / 2;
  }
};

const listLayers = () => {
  const layers = layerFilter ? about.layers.filter((/** @type {any} */ layer) => `${layer.name} ${layer.operation} ${layer.note}`.toLowerCase().includes(layerFilter)) : about.layers;
  const { svg, width } = lanesDrawn(layers);
  const box = byId("graph");
  fill(box, svg, ...layers.map((/** @type {any} */ layer) => layerRow(layer, width)));
  for (const row of box.querySelectorAll("[data-layer]")) row.setAttribute("aria-selected", String(row.dataset.layer === question.layer));
};

const graphKeys = (/** @type {KeyboardEvent} */ event) => {
  // What is typed goes into the field that finds layers.
  if (event.key.length === 1 && event.key !== " " && !event.ctrlKey && !event.metaKey && !event.altKey) { byId("layers-filter").focus(); return; }
  const rows = /** @type {HTMLElement[]} */ ([...byId("graph").querySelectorAll("[data-layer]")]);
  const now = rows.findIndex((row) => row.dataset.layer === question.layer);
  const to = { ArrowDown: now + 1, ArrowUp: now - 1, Home: 0, End: rows.length - 1, PageDown: now + 10, PageUp: now - 10 }[event.key];
  if (to === undefined) return;
  event.preventDefault();
  const row = rows[Math.max(0, Math.min(rows.length - 1, to))];
  if (!row) return;
  change({ layer: row.dataset.layer }, true);
  row.scrollIntoView({ block: "nearest" });
};
