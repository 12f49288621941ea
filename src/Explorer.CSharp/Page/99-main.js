// Draws the page from the question and what is known of its answers.

let isDue = false;

/** Draws once, before the next frame, however much has come. */
const soon = () => {
  if (isDue) return;
  isDue = true;
  // A hidden tab has no frames.
  const frame = document.hidden ? setTimeout : requestAnimationFrame;
  frame(() => { isDue = false; render(); });
};

const SHOW = { maps: showMaps, network: showNetwork, experts: showExperts, measure: showMeasure };

const showViews = () => {
  const box = byId("views");
  if (!box.firstChild) {
    box.setAttribute("role", "tablist");
    const keys = (/** @type {KeyboardEvent} */ event) => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      const tabs = /** @type {HTMLElement[]} */ ([...box.children]);
      if (step) { const next = tabs[(tabs.indexOf(event.currentTarget) + step + tabs.length) % tabs.length]; next.focus(); next.click(); }
    };
    fill(box, ...Object.entries(VIEWS).map(([name, title]) => make("button", { type: "button", role: "tab", "data-view": name, id: `tab-${name}`, "aria-controls": "view", onclick: () => change({ view: name }), onkeydown: keys }, title)));
  }
  for (const tab of box.children) {
    tab.setAttribute("aria-selected", String(tab.dataset.view === question.view));
    tab.tabIndex = tab.dataset.view === question.view ? 0 : -1;
  }
};

const render = () => {
  wanted = new Set();
  showImages();
  showClasses();
  showQuantity();
  showMethods();
  showViews();
  const view = byId("view");
  if (view.dataset.of !== question.view) {
    view.dataset.of = question.view;
    view.setAttribute("role", "tabpanel");
    view.setAttribute("aria-labelledby", `tab-${question.view}`);
    fill(view);
  }
  SHOW[question.view](view);
  settle();
  tell();
};

/** How much of what is looked at is there. */
const tell = () => {
  const all = [...wanted].map((query) => answers.get(query)).filter(Boolean);
  const open = all.filter(isOpen).length;
  const words = misread || (open > 0 ? `${all.length - open} of ${all.length} answers are there.` : "");
  const box = byId("progress");
  if (box.textContent !== words) box.textContent = words;
  document.documentElement.dataset.ready = String(open === 0);
};

const listenToFiles = () => {
  const input = /** @type {HTMLInputElement} */ (byId("file"));
  input.addEventListener("change", () => { addFiles([...input.files]).then(() => { input.value = ""; }); });
  if (saved || !about.images.accepts) return;
  const drop = byId("drop");
  const isFile = (/** @type {DragEvent} */ event) => event.dataTransfer?.types.includes("Files");
  addEventListener("dragover", (event) => { if (isFile(event)) { event.preventDefault(); drop.hidden = false; } });
  addEventListener("dragleave", (event) => { if (!event.relatedTarget) drop.hidden = true; });
  addEventListener("drop", (event) => { if (isFile(event)) { event.preventDefault(); drop.hidden = true; addFiles([...event.dataTransfer.files]); } });
};

const start = async () => {
  if (saved) about = saved.about;
  else {
    const response = await fetch("about").catch(() => null);
    if (!response) { away(); setTimeout(start, PATIENCE); return; }
    const told = await response.json();
    if (!response.ok) { byId("about").textContent = told.sentence; return; }
    about = { ...told.told, subject: told.subject };
  }
  for (const [key, value] of saved?.labels ?? []) added.set(key, value);
  const { model, images } = about;
  byId("about").textContent = `${model.name} on ${images.source || `${images.count} images`}${saved ? ". A saved page: it shows what it has." : ""}`;
  if (model.notes.length > 0) byId("about").after(make("details", {}, make("summary", {}, "What loading them said"), ...model.notes.map((/** @type {string} */ note) => make("p", { className: "quiet" }, note))));
  if (saved && !location.hash) location.replace(saved.hash);
  byId("files").hidden = Boolean(saved) || !images.accepts;
  readAddress();
  if (!saved) await recall();
  addEventListener("popstate", () => { readAddress(); render(); });
  listenToFiles();
  showShare();
  render();
};

start();
